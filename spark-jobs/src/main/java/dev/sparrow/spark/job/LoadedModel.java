package dev.sparrow.spark.job;

import dev.sparrow.backend.Backend;
import dev.sparrow.checkpoint.ModelFile;
import dev.sparrow.config.RunConfig;
import dev.sparrow.model.Model;
import dev.sparrow.model.Models;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Workspace;
import dev.sparrow.spark.files.HadoopFileStore;
import dev.sparrow.spark.shard.ManifestStore;
import dev.sparrow.spark.shard.ShardContent;
import dev.sparrow.spark.shard.ShardManifest;
import dev.sparrow.sparsity.Method;
import dev.sparrow.train.ModelTensors;
import java.io.IOException;
import org.apache.hadoop.conf.Configuration;

/** A model directory (see {@link RunDirectory}) on a backend, ready for forward passes. */
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
   * @param directory holds model.safetensors and manifest.json
   * @param samples of one pass at most
   */
  static LoadedModel open(
      Configuration hadoop, RunConfig config, String directory, Backend backend, int samples) {
    ShardManifest manifest = new ManifestStore(hadoop, directory).read();
    Method method = Models.method(backend, config);
    Model model = RunModels.build(backend, config, manifest, method);
    ModelFile file = file(hadoop, directory);
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

  /** What a model directory holds. */
  static ModelFile file(Configuration hadoop, String directory) {
    String file = directory + "/model.safetensors";
    try {
      return new ModelFile(new HadoopFileStore(hadoop, file), file);
    } catch (IOException e) {
      throw new JobException(file + ": cannot read: " + e.getMessage(), e);
    }
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
