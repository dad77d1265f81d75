package dev.sparrow.spark.job;

import dev.sparrow.backend.Backend;
import dev.sparrow.checkpoint.NamedTensor;
import dev.sparrow.checkpoint.SafeTensorsReader;
import dev.sparrow.checkpoint.TensorLoader;
import dev.sparrow.config.RunConfig;
import dev.sparrow.model.Models;
import dev.sparrow.model.TransformerLm;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Workspace;
import dev.sparrow.spark.files.HadoopFileStore;
import dev.sparrow.spark.shard.ManifestStore;
import dev.sparrow.spark.shard.ShardManifest;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;

/** A model directory (see {@link RunDirectory}) on a backend, ready for forward passes. */
final class LoadedModel implements AutoCloseable {
  private final TransformerLm model;
  private final ParameterArena arena;
  private final Workspace workspace;

  private LoadedModel(TransformerLm model, ParameterArena arena, Workspace workspace) {
    this.model = model;
    this.arena = arena;
    this.workspace = workspace;
  }

  /**
   * @param directory holds model.safetensors and manifest.json
   * @param sequences of one pass at most
   */
  static LoadedModel open(
      Configuration hadoop, RunConfig config, String directory, Backend backend, int sequences) {
    ShardManifest manifest = new ManifestStore(hadoop, directory).read();
    TransformerLm model =
        Models.languageModel(backend, config, manifest.tokenizer().vocabularySize(), Models.method(backend, config));
    ParameterArena arena = new ParameterArena(backend, model.parameters());
    Workspace workspace = new Workspace(backend);
    model.reserve(workspace, sequences);
    load(hadoop, directory + "/model.safetensors", backend, tensors(model));
    return new LoadedModel(model, arena, workspace);
  }

  private static List<NamedTensor> tensors(TransformerLm model) {
    List<NamedTensor> tensors = new ArrayList<>();
    for (Parameter parameter : new java.util.LinkedHashSet<>(model.parameters())) {
      tensors.add(new NamedTensor(parameter.name(), parameter.value()));
    }
    for (Buffer buffer : model.buffers()) {
      tensors.add(new NamedTensor(buffer.name(), buffer.value()));
    }
    return tensors;
  }

  private static void load(
      Configuration hadoop, String file, Backend backend, List<NamedTensor> tensors) {
    try {
      HadoopFileStore files = new HadoopFileStore(hadoop, file);
      try (SafeTensorsReader reader =
          new SafeTensorsReader(files.open(file), files.size(file), file)) {
        new TensorLoader(backend, file).load(reader, tensors);
      }
    } catch (IOException e) {
      throw new JobException(file + ": cannot read: " + e.getMessage(), e);
    }
  }

  TransformerLm model() {
    return model;
  }

  @Override
  public void close() {
    workspace.close();
    arena.close();
  }
}
