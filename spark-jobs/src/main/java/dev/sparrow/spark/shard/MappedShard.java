package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.util.List;
import org.apache.arrow.flatbuf.Message;
import org.apache.arrow.flatbuf.RecordBatch;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.ipc.ArrowFileReader;
import org.apache.arrow.vector.ipc.InvalidArrowFileException;
import org.apache.arrow.vector.ipc.message.ArrowBlock;
import org.apache.arrow.vector.types.pojo.Field;

/**
 * Rows of one local shard file, straight from its mapping: in an uncompressed Arrow file the values
 * of a column of a record batch lie side by side, so that a row is one run of bytes. Only the
 * footer and the batches' headers are parsed. The mapping goes with the object.
 */
final class MappedShard {
  private final List<FixedColumn> columns;
  private final ByteBuffer bytes;
  private final IntBuffer ints;
  private final FloatBuffer floats;
  private final long[] firstRows;
  private final int[][] starts; // (columns, record batches), bytes

  private MappedShard(
      List<FixedColumn> columns, ByteBuffer bytes, long[] firstRows, int[][] starts) {
    this.columns = columns;
    this.bytes = bytes;
    this.ints = bytes.asIntBuffer();
    this.floats = bytes.asFloatBuffer();
    this.firstRows = firstRows;
    this.starts = starts;
  }

  /**
   * @param file a verified local file
   * @param columns all that it has, in their order
   * @param rows as the manifest says
   */
  static MappedShard open(Path file, List<FixedColumn> columns, long rows) throws IOException {
    try (FileChannel channel = FileChannel.open(file);
        BufferAllocator memory = new RootAllocator();
        ArrowFileReader reader = new ArrowFileReader(channel, memory)) {
      ByteBuffer bytes =
          channel.map(MapMode.READ_ONLY, 0, channel.size()).order(ByteOrder.LITTLE_ENDIAN);
      checkSchema(file, reader, columns);
      MappedShard shard = index(bytes, reader.getRecordBlocks(), columns, file);
      if (shard.rows() != rows) {
        throw foreign(file, rows + " rows", String.valueOf(shard.rows()));
      }
      return shard;
    } catch (InvalidArrowFileException e) {
      throw foreign(file, "an Arrow IPC file", e.getMessage());
    }
  }

  private static void checkSchema(Path file, ArrowFileReader reader, List<FixedColumn> columns)
      throws IOException {
    List<Field> expected = columns.stream().map(FixedColumn::field).toList();
    List<Field> got = reader.getVectorSchemaRoot().getSchema().getFields();
    if (!got.equals(expected)) {
      throw foreign(file, "columns " + expected, got.toString());
    }
  }

  private static MappedShard index(
      ByteBuffer bytes, List<ArrowBlock> blocks, List<FixedColumn> columns, Path file) {
    long[] firstRows = new long[blocks.size() + 1];
    int[][] starts = new int[columns.size()][blocks.size()];
    for (int i = 0; i < blocks.size(); i++) {
      ArrowBlock block = blocks.get(i);
      RecordBatch batch = header(bytes, block);
      if (batch.compression() != null) {
        throw foreign(file, "uncompressed record batches", "compressed ones");
      }
      firstRows[i + 1] = firstRows[i] + batch.length();
      long body = block.getOffset() + block.getMetadataLength();
      int buffers = 0;
      for (int column = 0; column < starts.length; column++) {
        buffers += columns.get(column).buffers();
        // The last of a column's buffers holds its values.
        starts[column][i] = Math.toIntExact(body + batch.buffers(buffers - 1).offset());
      }
    }
    return new MappedShard(columns, bytes, firstRows, starts);
  }

  /** The header's flatbuffer follows a continuation marker and its length, 4 bytes each. */
  private static RecordBatch header(ByteBuffer bytes, ArrowBlock block) {
    int start = Math.toIntExact(block.getOffset()) + 8;
    ByteBuffer metadata =
        bytes.slice(start, block.getMetadataLength() - 8).order(ByteOrder.LITTLE_ENDIAN);
    return (RecordBatch) Message.getRootAsMessage(metadata).header(new RecordBatch());
  }

  private static DataException foreign(Path file, String expected, String got) {
    return new DataException(
        file + ": expected " + expected + ", got " + got + "; shard again with --overwrite");
  }

  long rows() {
    return firstRows[firstRows.length - 1];
  }

  /** The file, little-endian, to be read by index. */
  ByteBuffer bytes() {
    return bytes;
  }

  /** The file as int32 values, to be read by index: a byte's, divided by 4. */
  IntBuffer ints() {
    return ints;
  }

  /** The file as float32 values, to be read by index: a byte's, divided by 4. */
  FloatBuffer floats() {
    return floats;
  }

  /** Where the values of a column's row begin, in bytes of the file. */
  int start(int column, long row) {
    int batch = ShardRows.holder(firstRows, row);
    int index = Math.toIntExact(row - firstRows[batch]);
    return starts[column][batch] + index * columns.get(column).rowBytes();
  }
}
