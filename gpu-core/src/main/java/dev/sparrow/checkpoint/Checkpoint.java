package dev.sparrow.checkpoint;

import dev.sparrow.backend.Backend;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * A checkpoint whose files were all there with the right sums when it was opened.
 *
 * @param path its directory
 */
public record Checkpoint(FileStore files, String path, CheckpointState state) {
  static final String MODEL = "model.safetensors";
  static final String OPTIMIZER = "optimizer.safetensors";
  static final String CONFIG = "config.conf";
  static final String STATE = "state.json";
  static final String COMPLETE = "_COMPLETE";

  /** The resolved configuration of the run that wrote it. */
  public String config() {
    return new String(bytes(files, path + "/" + CONFIG), StandardCharsets.UTF_8);
  }

  /** Parameters and buffers. */
  public ModelFile model() {
    return new ModelFile(files, path + "/" + MODEL);
  }

  /** The optimizer's state into the tensors of their names, which must fit. */
  public void loadOptimizer(Backend backend, List<NamedTensor> destinations) {
    TensorLoader.load(files, path + "/" + OPTIMIZER, backend, destinations);
  }

  private static byte[] bytes(FileStore files, String file) {
    try (var in = files.open(file)) {
      return in.readAllBytes();
    } catch (IOException failed) {
      throw new CheckpointException(file + ": cannot read: " + failed.getMessage(), failed);
    }
  }
}
