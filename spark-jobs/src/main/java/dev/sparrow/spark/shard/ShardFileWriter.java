package dev.sparrow.spark.shard;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.ArrowFileWriter;
import org.apache.arrow.vector.types.pojo.Schema;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * Writes one Arrow IPC file under a temporary name; {@link #finish} gives it its own. The name
 * carries a random part, so that attempts of one task never meet.
 *
 * <p>The writer owns one record batch, which it fills and writes again and again. Closing without
 * finishing deletes what was written.
 */
final class ShardFileWriter<R> implements AutoCloseable {
  private static final int BATCH_BYTES = 4 << 20;
  private static final int BATCH_ROWS = 1024;

  private final FileSystem fs;
  private final Path temporary;
  private final Path target;
  private final String name;
  private final int batchRows;
  private final VectorSchemaRoot root;
  private final RowFormat.RowSink<R> sink;
  private final CrcChannel channel;
  private final ArrowFileWriter writer;
  private long rows;
  private int pending;
  private boolean finished;

  /**
   * @param folder train or validation, under the directory
   * @param stem first part of the name, such as part-00003
   */
  ShardFileWriter(
      Configuration hadoop,
      Path directory,
      String folder,
      String stem,
      RowFormat<R> format,
      BufferAllocator memory)
      throws IOException {
    String file = stem + "-" + UUID.randomUUID() + ".arrow";
    this.name = folder + "/" + file;
    this.target = new Path(directory, name);
    this.temporary = new Path(directory, folder + "/_" + file + ".tmp");
    this.fs = directory.getFileSystem(hadoop);
    this.batchRows = Math.max(1, Math.min(BATCH_ROWS, BATCH_BYTES / format.rowBytes()));
    this.channel = new CrcChannel(fs.create(temporary, false));
    this.root = VectorSchemaRoot.create(schema(format), memory);
    this.sink = format.sink(allocate(format.columns()));
    this.writer = new ArrowFileWriter(root, null, channel);
    writer.start();
  }

  private static Schema schema(RowFormat<?> format) {
    return new Schema(format.columns().stream().map(FixedColumn::field).toList());
  }

  private List<ByteBuffer> allocate(List<FixedColumn> columns) {
    List<ByteBuffer> memory = new ArrayList<>();
    for (FixedColumn column : columns) {
      memory.add(column.allocate(root.getVector(column.name()), batchRows));
    }
    return memory;
  }

  void add(R row) throws IOException {
    sink.put(row, pending);
    pending++;
    rows++;
    if (pending == batchRows) {
      writeBatch();
    }
  }

  private void writeBatch() throws IOException {
    root.getFieldVectors().forEach(vector -> vector.setValueCount(pending));
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
