package dev.sparrow.checkpoint;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Writes the safetensors format (github.com/huggingface/safetensors): the header's length as 8
 * little-endian bytes, a JSON header, then all tensors' bytes without gaps. Tensors stream from
 * their arrays, narrowed on the way where their type is narrower; nothing is copied whole.
 */
public final class SafeTensorsWriter {
  private static final int ALIGNMENT = 8;

  private SafeTensorsWriter() {}

  /**
   * Writes all tensors in their order; the stream stays open.
   *
   * @param metadata free text by key, the header's {@code __metadata__}
   */
  public static void write(OutputStream out, Map<String, String> metadata, List<HostTensor> tensors)
      throws IOException {
    byte[] header = header(metadata, tensors);
    ByteBuffer length = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    out.write(length.putLong(header.length).array());
    out.write(header);
    ChunkedValues values = new ChunkedValues();
    for (HostTensor tensor : tensors) {
      values.write(tensor, out);
    }
  }

  /** JSON, padded with spaces so that the data starts at a multiple of 8. */
  private static byte[] header(Map<String, String> metadata, List<HostTensor> tensors)
      throws IOException {
    ObjectMapper mapper = new ObjectMapper();
    ObjectNode root = mapper.createObjectNode();
    if (!metadata.isEmpty()) {
      root.set(SafeTensorsReader.METADATA, mapper.valueToTree(metadata));
    }
    long offset = 0;
    for (HostTensor tensor : tensors) {
      requireNew(root, tensor.name());
      offset = describe(root.putObject(tensor.name()), tensor, offset);
    }
    byte[] json = mapper.writeValueAsBytes(root);
    byte[] padded = Arrays.copyOf(json, (json.length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    Arrays.fill(padded, json.length, padded.length, (byte) ' ');
    return padded;
  }

  private static void requireNew(ObjectNode root, String name) {
    if (root.has(name) || name.equals(SafeTensorsReader.METADATA)) {
      throw new IllegalArgumentException(
          "safetensors: expected distinct tensor names, got " + name + " again");
    }
  }

  private static long describe(ObjectNode node, HostTensor tensor, long offset) {
    node.put("dtype", tensor.dtype().name());
    ArrayNode shape = node.putArray("shape");
    for (int dim : tensor.shape().toArray()) {
      shape.add(dim);
    }
    long end = offset + tensor.bytes();
    node.putArray("data_offsets").add(offset).add(end);
    return end;
  }
}
