package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.text.TokenizerSpec;

/**
 * How to shard.
 *
 * @param output directory on any Hadoop file system
 * @param context input tokens of a row; a row holds one more
 * @param tokenizer of the text, or what the ids mean where the source is tokenised
 * @param split what is held out
 * @param rowsPerFile at most; files stay under 1 GiB
 * @param overwrite replaces shards of other input or settings, and writes anew where they are equal
 */
public record ShardSettings(
    String output,
    int context,
    TokenizerSpec tokenizer,
    SplitRule split,
    long rowsPerFile,
    boolean overwrite) {
  /** Readers map a file as a whole and memory mappings end at 2 GiB. */
  private static final long MAX_FILE_BYTES = 1L << 30;

  private static final long DEFAULT_FILE_BYTES = 128L << 20;

  public ShardSettings {
    if (output == null || output.isBlank()) {
      throw new DataException("shard output: expected a path, got none");
    }
    if (context < 1 || context > 1 << 24) {
      throw new DataException("context: expected 1 to 16777216 tokens, got " + context);
    }
    long most = Math.max(1, MAX_FILE_BYTES / rowBytes(context));
    if (rowsPerFile < 1 || rowsPerFile > most) {
      throw new DataException(
          "rows per file: expected 1 to "
              + most
              + " at context "
              + context
              + ", got "
              + rowsPerFile);
    }
  }

  /** Files of about 128 MiB, nothing overwritten. */
  public static ShardSettings of(
      String output, int context, TokenizerSpec tokenizer, SplitRule split) {
    long rows = Math.max(1, DEFAULT_FILE_BYTES / rowBytes(context));
    return new ShardSettings(output, context, tokenizer, split, rows, false);
  }

  public ShardSettings withOverwrite(boolean value) {
    return new ShardSettings(output, context, tokenizer, split, rowsPerFile, value);
  }

  public ShardSettings withRowsPerFile(long rows) {
    return new ShardSettings(output, context, tokenizer, split, rows, overwrite);
  }

  private static long rowBytes(int context) {
    return 4L * (context + 1);
  }
}
