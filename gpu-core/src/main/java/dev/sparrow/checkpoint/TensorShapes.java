package dev.sparrow.checkpoint;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.sparrow.tensor.Shape;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;

/** The shapes of a file's tensors by name, in a form that ranks send each other. */
public record TensorShapes(Map<String, Shape> byName) {
  private static final JsonMapper MAPPER = JsonMapper.builder().build();

  public TensorShapes {
    byName = Map.copyOf(byName);
  }

  /**
   * Of a model's safetensors file.
   *
   * @throws CheckpointException naming the file that cannot be read
   */
  public static TensorShapes of(FileStore files, String file) {
    Map<String, Shape> shapes = new LinkedHashMap<>();
    new ModelFile(files, file)
        .reading(
            reader -> reader.entries().forEach((name, entry) -> shapes.put(name, entry.shape())));
    return new TensorShapes(shapes);
  }

  /** An object of arrays of sizes. */
  public byte[] toJson() {
    Map<String, int[]> sizes = new LinkedHashMap<>();
    byName.forEach((name, shape) -> sizes.put(name, shape.toArray()));
    try {
      return MAPPER.writeValueAsBytes(sizes);
    } catch (IOException impossible) {
      throw new IllegalStateException("shapes: cannot write " + byName, impossible);
    }
  }

  /** What {@link #toJson} gave. */
  public static TensorShapes fromJson(byte[] json) {
    Map<String, Shape> shapes = new LinkedHashMap<>();
    try {
      MAPPER
          .readValue(json, new TypeReference<Map<String, int[]>>() {})
          .forEach((name, sizes) -> shapes.put(name, Shape.of(sizes)));
    } catch (IOException broken) {
      throw new CheckpointException("shapes: " + broken.getMessage(), broken);
    }
    return new TensorShapes(shapes);
  }
}
