package dev.sparrow.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Reads a safetensors file once, front to back: the header at construction, then the tensors that
 * are asked for. The header is checked against the file's size before anything is allocated by it,
 * so a torn or hostile file is an error and never a huge array. Owns the stream.
 */
public final class SafeTensorsReader implements AutoCloseable {
  static final String METADATA = "__metadata__";

  /** As in the reference implementation. */
  private static final long MAX_HEADER_BYTES = 100_000_000;

  private static final JsonMapper MAPPER =
      JsonMapper.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

  private final InputStream in;
  private final String where;
  private final Map<String, TensorInfo> tensors = new LinkedHashMap<>();
  private final Map<String, String> metadata = new LinkedHashMap<>();

  /**
   * @param in at the file's first byte
   * @param fileBytes the file's size
   * @param where the file's name, for messages
   */
  public SafeTensorsReader(InputStream in, long fileBytes, String where) throws IOException {
    this.in = in;
    this.where = where;
    long headerBytes = ByteBuffer.wrap(exactly(8)).order(ByteOrder.LITTLE_ENDIAN).getLong();
    if (headerBytes < 2 || headerBytes > Math.min(MAX_HEADER_BYTES, fileBytes - 8)) {
      throw malformed("a header of 2 to " + (fileBytes - 8) + " bytes", headerBytes + " bytes");
    }
    parse(json(exactly((int) headerBytes)));
    requireCover(fileBytes - 8 - headerBytes);
  }

  private byte[] exactly(int bytes) throws IOException {
    byte[] read = in.readNBytes(bytes);
    if (read.length < bytes) {
      throw new EOFException(where + ": expected " + bytes + " more bytes, got " + read.length);
    }
    return read;
  }

  private JsonNode json(byte[] header) throws IOException {
    try {
      JsonNode root = MAPPER.readTree(header);
      if (!root.isObject()) {
        throw malformed("a JSON object as header", root.getNodeType().toString());
      }
      return root;
    } catch (JsonProcessingException broken) {
      throw malformed("a JSON object as header", broken.getOriginalMessage());
    }
  }

  private void parse(JsonNode root) throws IOException {
    List<TensorInfo> found = new ArrayList<>();
    for (Iterator<Map.Entry<String, JsonNode>> it = root.fields(); it.hasNext(); ) {
      Map.Entry<String, JsonNode> field = it.next();
      if (field.getKey().equals(METADATA)) {
        field
            .getValue()
            .fields()
            .forEachRemaining(e -> metadata.put(e.getKey(), e.getValue().asText()));
      } else {
        found.add(info(field.getKey(), field.getValue()));
      }
    }
    found.sort(Comparator.comparingLong(TensorInfo::start).thenComparingLong(TensorInfo::end));
    found.forEach(info -> tensors.put(info.name(), info));
  }

  private TensorInfo info(String name, JsonNode node) throws IOException {
    try {
      DType dtype = DType.valueOf(node.path("dtype").asText());
      int[] dims = new int[node.path("shape").size()];
      for (int i = 0; i < dims.length; i++) {
        dims[i] = Math.toIntExact(node.path("shape").path(i).longValue());
      }
      JsonNode offsets = node.path("data_offsets");
      if (offsets.size() != 2) {
        throw new IllegalArgumentException("two data_offsets are missing");
      }
      return new TensorInfo(
          name, dtype, Shape.of(dims), offsets.path(0).longValue(), offsets.path(1).longValue());
    } catch (IllegalArgumentException | ArithmeticException wrong) {
      throw malformed("dtype, shape and data_offsets of " + name, node + ": " + wrong.getMessage());
    }
  }

  /** The tensors must cover the data without gaps or overlaps. */
  private void requireCover(long dataBytes) throws IOException {
    long end = 0;
    for (TensorInfo info : tensors.values()) {
      if (info.start() != end) {
        throw malformed(info.name() + " at byte " + end + " of the data", "byte " + info.start());
      }
      end = info.end();
    }
    if (end != dataBytes) {
      throw malformed(end + " bytes of data, as the header says", dataBytes + " bytes");
    }
  }

  private IOException malformed(String expected, String got) {
    return new IOException(
        where
            + ": expected "
            + expected
            + ", got "
            + got
            + "; the file is torn or not safetensors with dtypes F64, F32, BF16, I32, U16 or U8");
  }

  /** All tensors in the order of their bytes. */
  public Map<String, TensorInfo> tensors() {
    return Map.copyOf(tensors);
  }

  public Map<String, String> metadata() {
    return Map.copyOf(metadata);
  }

  /**
   * Reads the data once.
   *
   * @param destination where a tensor's values go, of its dtype and size; null: it is passed over
   * @param done told each destination when it is filled
   */
  public void read(Function<TensorInfo, HostTensor> destination, Consumer<HostTensor> done)
      throws IOException {
    ChunkedValues values = new ChunkedValues();
    for (TensorInfo info : tensors.values()) {
      HostTensor target = destination.apply(info);
      if (target == null) {
        in.skipNBytes(info.end() - info.start());
        continue;
      }
      if (target.dtype() != info.dtype() || target.shape().size() != info.shape().size()) {
        throw new IllegalArgumentException(
            where + ": " + info.name() + ": expected room for " + info + ", got " + target);
      }
      values.read(in, target);
      done.accept(target);
    }
  }

  @Override
  public void close() throws IOException {
    in.close();
  }
}
