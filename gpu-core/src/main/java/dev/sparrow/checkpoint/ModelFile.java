package dev.sparrow.checkpoint;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.PatternLayout;
import dev.sparrow.backend.UniformPattern;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A model's safetensors file: parameters and buffers by name, in 32 bits as checkpoints hold them,
 * or in the smaller form that {@link ModelExport} writes. All methods throw {@link
 * CheckpointException} naming the file where it cannot be read or is damaged.
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

  /** What stands in the header beside the tensors. */
  public Map<String, String> metadata() {
    Map<String, String> metadata = new LinkedHashMap<>();
    reading(reader -> metadata.putAll(reader.metadata()));
    return metadata;
  }

  /** All tensors, in the order of the file: floats as F32, integers as I32. */
  public List<HostTensor> tensors() {
    List<HostTensor> tensors = new ArrayList<>();
    reading(reader -> reader.read(tensor -> true, tensors::add));
    return tensors;
  }

  /**
   * The patterns of the weights that are sparse in this file, by the weight's name.
   *
   * @param layouts of all that may be sparse
   */
  public Map<String, UniformPattern> patterns(Map<String, PatternLayout> layouts) {
    Map<String, UniformPattern> patterns = new LinkedHashMap<>();
    reading(
        reader -> {
          List<HostTensor> tensors = new ArrayList<>();
          reader.read(PatternTensors::isOne, tensors::add);
          patterns.putAll(PatternTensors.patterns(tensors, layouts));
        });
    return patterns;
  }

  /** What is done with the open file. */
  interface Reading {
    void with(ModelReader reader) throws IOException;
  }

  void reading(Reading reading) {
    try (ModelReader reader = new ModelReader(files, path)) {
      reading.with(reader);
    } catch (IOException | IllegalArgumentException failed) {
      throw new CheckpointException(path + ": cannot read: " + failed.getMessage(), failed);
    }
  }
}
