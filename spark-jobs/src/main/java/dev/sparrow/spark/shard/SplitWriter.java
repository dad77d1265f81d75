package dev.sparrow.spark.shard;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** Rows of one split of one partition, packed and written to files of at most rowsPerFile rows. */
final class SplitWriter implements AutoCloseable {
  /**
   * What all writers of a job share.
   *
   * @param directory the shard directory
   * @param context input tokens of a row
   * @param rowsPerFile at most
   */
  record Target(Configuration hadoop, Path directory, int context, long rowsPerFile) {}

  private final Target target;
  private final String folder;
  private final String stem;
  private final BufferAllocator memory;
  private final TokenPacker packer;
  private final List<ShardManifest.File> files = new ArrayList<>();
  private ShardFileWriter file;
  private long documents;
  private long tokens;

  SplitWriter(Target target, Split split, String stem, BufferAllocator memory) {
    this.target = target;
    this.folder = split.label();
    this.stem = stem;
    this.memory = memory;
    this.packer = new TokenPacker(target.context(), this::row);
  }

  /** One document, its end-of-text included. */
  void document(int[] ids, int count) throws IOException {
    packer.add(ids, count);
    documents++;
    tokens += count;
  }

  /** Tokens that other partitions left over; they count there. */
  void leftovers(int[] ids) throws IOException {
    packer.add(ids, ids.length);
  }

  private void row(int[] row) throws IOException {
    if (file == null) {
      file =
          new ShardFileWriter(
              target.hadoop(), target.directory(), folder, stem, target.context() + 1, memory);
    }
    file.add(row);
    if (file.rows() == target.rowsPerFile()) {
      endFile();
    }
  }

  private void endFile() throws IOException {
    files.add(file.finish());
    file.close();
    file = null;
  }

  /** Completes the last file; a split without a full row has none. */
  PartitionResult.Part finish() throws IOException {
    if (file != null) {
      endFile();
    }
    return new PartitionResult.Part(List.copyOf(files), documents, tokens, packer.tail());
  }

  /** Drops a file that was not completed; completed ones stay until the driver clears them. */
  @Override
  public void close() throws IOException {
    if (file != null) {
      file.close();
    }
  }
}
