package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
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
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;

/**
 * Rows of one local shard file, straight from its mapping: in an uncompressed Arrow file the ids of
 * a record batch lie side by side, so that a row is one run of ints. Only the footer and the
 * batches' headers are parsed. The mapping goes with the object.
 */
final class MappedShard {
  /** Buffers of a FixedSizeList&lt;int32&gt;: validity of lists, validity of ids, ids. */
  private static final int IDS_BUFFER = 2;

  private final int width;
  private final IntBuffer ints;
  private final long[] firstRows;
  private final int[] firstInts;

  private MappedShard(int width, IntBuffer ints, long[] firstRows, int[] firstInts) {
    this.width = width;
    this.ints = ints;
    this.firstRows = firstRows;
    this.firstInts = firstInts;
  }

  /**
   * @param file a verified local file
   * @param width ids of a row
   * @param rows as the manifest says
   */
  static MappedShard open(Path file, int width, long rows) throws IOException {
    try (FileChannel channel = FileChannel.open(file);
        BufferAllocator memory = new RootAllocator();
        ArrowFileReader reader = new ArrowFileReader(channel, memory)) {
      ByteBuffer bytes =
          channel.map(MapMode.READ_ONLY, 0, channel.size()).order(ByteOrder.LITTLE_ENDIAN);
      checkSchema(file, reader, width);
      MappedShard shard = index(bytes, reader.getRecordBlocks(), width, file);
      if (shard.rows() != rows) {
        throw foreign(file, rows + " rows", String.valueOf(shard.rows()));
      }
      return shard;
    } catch (InvalidArrowFileException e) {
      throw foreign(file, "an Arrow IPC file", e.getMessage());
    }
  }

  private static void checkSchema(Path file, ArrowFileReader reader, int width) throws IOException {
    Field field = reader.getVectorSchemaRoot().getSchema().findField(ShardFileWriter.COLUMN);
    boolean matches =
        field.getType().equals(new ArrowType.FixedSizeList(width))
            && field.getChildren().get(0).getType().equals(new ArrowType.Int(32, true));
    if (!matches) {
      throw foreign(file, "tokens of FixedSizeList<int32>[" + width + "]", field.toString());
    }
  }

  private static MappedShard index(
      ByteBuffer bytes, List<ArrowBlock> blocks, int width, Path file) {
    long[] firstRows = new long[blocks.size() + 1];
    int[] firstInts = new int[blocks.size()];
    for (int i = 0; i < firstInts.length; i++) {
      ArrowBlock block = blocks.get(i);
      RecordBatch batch = header(bytes, block);
      if (batch.compression() != null) {
        throw foreign(file, "uncompressed record batches", "compressed ones");
      }
      long body = block.getOffset() + block.getMetadataLength();
      firstRows[i + 1] = firstRows[i] + batch.length();
      firstInts[i] = Math.toIntExact((body + batch.buffers(IDS_BUFFER).offset()) / Integer.BYTES);
    }
    return new MappedShard(width, bytes.asIntBuffer(), firstRows, firstInts);
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

  /** Copies one row's ids to {@code target} from index {@code at} on. */
  void copy(long row, IntBuffer target, int at) {
    int batch = ShardRows.holder(firstRows, row);
    int offset = firstInts[batch] + Math.toIntExact(row - firstRows[batch]) * width;
    target.put(at, ints, offset, width);
  }
}
