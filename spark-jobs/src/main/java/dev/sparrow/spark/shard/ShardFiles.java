package dev.sparrow.spark.shard;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * Files of one split that one task writes, each of at most rowsPerFile rows. A file that was not
 * completed is dropped; completed ones stay until the driver clears them.
 */
final class ShardFiles<R> implements AutoCloseable {
  /** Readers map a file as a whole and memory mappings end at 2 GiB. */
  static final long MAX_FILE_BYTES = 1L << 30;

  /**
   * Where a task's files of a split go.
   *
   * @param directory the shard directory
   * @param stem first part of the files' names, such as part-00003
   */
  record Target(
      Configuration hadoop,
      Path directory,
      Split split,
      String stem,
      long rowsPerFile,
      BufferAllocator memory) {}

  private final Target target;
  private final RowFormat<R> format;
  private final long rowsPerFile;
  private final List<ShardManifest.File> files = new ArrayList<>();
  private ShardFileWriter<R> file;

  ShardFiles(Target target, RowFormat<R> format) {
    this.target = target;
    this.format = format;
    this.rowsPerFile =
        Math.max(1, Math.min(target.rowsPerFile(), MAX_FILE_BYTES / format.rowBytes()));
  }

  void add(R row) throws IOException {
    if (file == null) {
      file =
          new ShardFileWriter<>(
              target.hadoop(),
              target.directory(),
              target.split().label(),
              target.stem(),
              format,
              target.memory());
    }
    file.add(row);
    if (file.rows() == rowsPerFile) {
      endFile();
    }
  }

  private void endFile() throws IOException {
    files.add(file.finish());
    file.close();
    file = null;
  }

  /** Completes the last file; without a row there is none. */
  List<ShardManifest.File> finish() throws IOException {
    if (file != null) {
      endFile();
    }
    return List.copyOf(files);
  }

  @Override
  public void close() throws IOException {
    if (file != null) {
      file.close();
    }
  }
}
