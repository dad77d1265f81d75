package dev.sparrow.spark.shard;

import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.util.List;
import java.util.UUID;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.complex.FixedSizeListVector;
import org.apache.arrow.vector.ipc.ArrowFileWriter;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * Writes one Arrow IPC file of rows of tokens under a temporary name; {@link #finish} gives it its
 * own. The name carries a random part, so that attempts of one task never meet.
 *
 * <p>The writer owns one record batch, which it fills and writes again and again. Closing without
 * finishing deletes what was written.
 */
final class ShardFileWriter implements AutoCloseable {
  static final String COLUMN = "tokens";
  private static final int BATCH_BYTES = 4 << 20;
  private static final int BATCH_ROWS = 1024;

  private final FileSystem fs;
  private final Path temporary;
  private final Path target;
  private final String name;
  private final int width;
  private final int batchRows;
  private final VectorSchemaRoot root;
  private final IntBuffer ids;
  private final CrcChannel channel;
  private final ArrowFileWriter writer;
  private long rows;
  private int pending;
  private boolean finished;

  /**
   * @param folder train or validation, under the directory
   * @param stem first part of the name, such as part-00003
   * @param width ids of a row, context + 1
   */
  ShardFileWriter(
      Configuration hadoop,
      Path directory,
      String folder,
      String stem,
      int width,
      BufferAllocator memory)
      throws IOException {
    String file = stem + "-" + UUID.randomUUID() + ".arrow";
    this.name = folder + "/" + file;
    this.target = new Path(directory, name);
    this.temporary = new Path(directory, folder + "/_" + file + ".tmp");
    this.fs = directory.getFileSystem(hadoop);
    this.width = width;
    this.batchRows = Math.max(1, Math.min(BATCH_ROWS, BATCH_BYTES / (4 * width)));
    this.channel = new CrcChannel(fs.create(temporary, false));
    this.root = VectorSchemaRoot.create(schema(width), memory);
    this.ids = allocate();
    this.writer = new ArrowFileWriter(root, null, channel);
    writer.start();
  }

  private static Schema schema(int width) {
    Field item = new Field("item", FieldType.notNullable(new ArrowType.Int(32, true)), null);
    FieldType list = FieldType.notNullable(new ArrowType.FixedSizeList(width));
    return new Schema(List.of(new Field(COLUMN, list, List.of(item))));
  }

  /** All rows valid once and for all; only ids change from batch to batch. */
  private IntBuffer allocate() {
    FixedSizeListVector list = (FixedSizeListVector) root.getVector(COLUMN);
    IntVector values = (IntVector) list.getDataVector();
    list.setInitialCapacity(batchRows);
    values.setInitialCapacity(batchRows * width);
    list.allocateNew();
    setAllBits(list.getValidityBuffer());
    setAllBits(values.getValidityBuffer());
    ArrowBuf data = values.getDataBuffer();
    return data.nioBuffer(0, Math.toIntExact(data.capacity()))
        .order(ByteOrder.LITTLE_ENDIAN)
        .asIntBuffer();
  }

  private static void setAllBits(ArrowBuf bits) {
    bits.setOne(0, bits.capacity());
  }

  void add(int[] row) throws IOException {
    ids.put(pending * width, row, 0, width);
    pending++;
    rows++;
    if (pending == batchRows) {
      writeBatch();
    }
  }

  private void writeBatch() throws IOException {
    FixedSizeListVector list = (FixedSizeListVector) root.getVector(COLUMN);
    list.setValueCount(pending);
    root.setRowCount(pending);
    writer.writeBatch();
    pending = 0;
  }

  long rows() {
    return rows;
  }

  /** Completes the file and gives it its name; only then may a manifest name it. */
  ShardManifest.File finish() throws IOException {
    if (pending > 0) {
      writeBatch();
    }
    writer.end();
    writer.close();
    channel.close();
    if (!fs.rename(temporary, target)) {
      throw new IOException("cannot rename " + temporary + " to " + target);
    }
    finished = true;
    return new ShardManifest.File(name, rows, channel.bytes(), channel.crc32c());
  }

  @Override
  public void close() throws IOException {
    root.close();
    if (!finished) {
      channel.close();
      fs.delete(temporary, false);
    }
  }
}
