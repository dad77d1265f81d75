package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;
import java.io.Serializable;
import java.util.List;

/**
 * What a finished shard directory holds; {@code manifest.json} is this record.
 *
 * @param schemaVersion {@link #SCHEMA_VERSION}
 * @param content what the rows are
 * @param train its files
 * @param validation its files; none where nothing was held out
 * @param nullRows rows of the source without content, skipped
 * @param emptyRows rows of empty content, skipped
 * @param otherRows rows whose split column named neither split, skipped
 * @param contentHash of input files and settings, or null where the input has no files to compare
 */
public record ShardManifest(
    int schemaVersion,
    ShardContent content,
    Part train,
    Part validation,
    long nullRows,
    long emptyRows,
    long otherRows,
    String contentHash) {
  /** Version of this layout. */
  public static final int SCHEMA_VERSION = 2;

  /**
   * One split.
   *
   * @param files in the order of their partitions
   */
  public record Part(List<File> files, long rows) {
    public Part {
      files = List.copyOf(files);
    }

    static Part of(List<File> files) {
      return new Part(files, files.stream().mapToLong(File::rows).sum());
    }
  }

  /**
   * One Arrow IPC file.
   *
   * @param name relative to the shard directory
   * @param rows in it
   * @param bytes its length
   * @param crc32c of all its bytes, 8 hexadecimal digits
   */
  public record File(String name, long rows, long bytes, String crc32c) implements Serializable {}

  public Part part(Split split) {
    return split == Split.TRAIN ? train : validation;
  }

  /**
   * The content of shards that must hold tokens.
   *
   * @throws DataException where they hold something else
   */
  public TokenContent tokens() {
    if (content instanceof TokenContent tokens) {
      return tokens;
    }
    throw new DataException("shards: expected tokens, as model.kind says, got images");
  }

  /**
   * The content of shards that must hold images.
   *
   * @throws DataException where they hold something else
   */
  public ImageContent images() {
    if (content instanceof ImageContent images) {
      return images;
    }
    throw new DataException("shards: expected images, as model.kind says, got tokens");
  }
}
