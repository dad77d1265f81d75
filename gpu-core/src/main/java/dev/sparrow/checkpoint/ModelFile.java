package dev.sparrow.checkpoint;

import dev.sparrow.backend.Backend;
import java.util.List;

/**
 * A model's safetensors file: parameters and buffers by name.
 *
 * @param path of the file
 */
public record ModelFile(FileStore files, String path) {
  public TensorShapes shapes() {
    return TensorShapes.of(files, path);
  }

  /** Into the tensors of their names; all must fit and none be left over. */
  public void load(Backend backend, List<NamedTensor> destinations) {
    TensorLoader.load(files, path, backend, destinations);
  }
}
