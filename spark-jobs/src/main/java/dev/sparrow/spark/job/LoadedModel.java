package dev.sparrow.spark.job;

import dev.sparrow.backend.Backend;
import dev.sparrow.checkpoint.ModelFile;
import dev.sparrow.config.RunConfig;
import dev.sparrow.model.Model;
import dev.sparrow.model.Models;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Workspace;
import dev.sparrow.spark.shard.ShardContent;
import dev.sparrow.spark.shard.ShardManifest;
import dev.sparrow.sparsity.Method;
import dev.sparrow.train.ModelTensors;

/** A saved model on a backend, ready for forward passes. */
final class LoadedModel implements AutoCloseable {
  private final ShardContent learnt;
  private final Model model;
  private final ParameterArena arena;
  private final Workspace workspace;

  private LoadedModel(ShardContent learnt, Model model, ParameterArena arena, Workspace workspace) {
    this.learnt = learnt;
    this.model = model;
    this.arena = arena;
    this.workspace = workspace;
  }

  /**
   * @param config of the model, overridden maybe
   * @param samples of one pass at most
   */
  static LoadedModel open(RunConfig config, SavedModel saved, Backend backend, int samples) {
    ShardManifest manifest = saved.manifest();
    Method method = Models.method(backend, config);
    Model model = RunModels.build(backend, config, manifest, method);
    ModelFile file = saved.file();
    method.fit(file.shapes().byName());
    model.parametersChanged();
    ParameterArena arena = new ParameterArena(backend, model.parameters());
    Workspace workspace = new Workspace(backend);
    model.reserve(workspace, samples);
    file.load(backend, ModelTensors.of(arena, model.buffers()));
    arena.publish();
    method.loaded();
    return new LoadedModel(manifest.content(), model, arena, workspace);
  }

  /** What the model learnt from. */
  ShardContent learnt() {
    return learnt;
  }

  Model model() {
    return model;
  }

  @Override
  public void close() {
    workspace.close();
    arena.close();
  }
}
