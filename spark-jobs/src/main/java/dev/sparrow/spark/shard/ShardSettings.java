package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.text.TokenizerSpec;

/**
 * How to shard.
 *
 * @param output directory on any Hadoop file system
 * @param content what rows of shards are
 * @param split what is held out
 * @param rowsPerFile at most; files stay under 1 GiB
 * @param overwrite replaces shards of other input or settings, and writes anew where they are equal
 */
public record ShardSettings(
    String output, ContentSettings content, SplitRule split, long rowsPerFile, boolean overwrite) {
  private static final long DEFAULT_FILE_BYTES = 128L << 20;

  public ShardSettings {
    if (output == null || output.isBlank()) {
      throw new DataException("shard output: expected a path, got none");
    }
    if (rowsPerFile < 1 || rowsPerFile > content.mostRowsPerFile()) {
      throw new DataException(
          "rows per file: expected 1 to " + content.mostRowsPerFile() + ", got " + rowsPerFile);
    }
  }

  /** Tokens in files of about 128 MiB, nothing overwritten. */
  public static ShardSettings of(
      String output, int context, TokenizerSpec tokenizer, SplitRule split) {
    TokenSettings tokens = new TokenSettings(context, tokenizer);
    long rows = Math.max(1, DEFAULT_FILE_BYTES / tokens.rowBytes());
    return new ShardSettings(output, tokens, split, rows, false);
  }

  public ShardSettings withOverwrite(boolean value) {
    return new ShardSettings(output, content, split, rowsPerFile, value);
  }

  public ShardSettings withRowsPerFile(long rows) {
    return new ShardSettings(output, content, split, rows, overwrite);
  }
}
