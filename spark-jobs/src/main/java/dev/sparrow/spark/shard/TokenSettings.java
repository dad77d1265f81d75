package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.text.TokenizerSpec;

/**
 * Documents become rows of tokens.
 *
 * @param context input tokens of a row; a row holds one more
 * @param tokenizer of the text, or what the ids mean where the source is tokenised
 */
public record TokenSettings(int context, TokenizerSpec tokenizer) implements ContentSettings {
  public TokenSettings {
    if (context < 1 || context > 1 << 24) {
      throw new DataException("context: expected 1 to 16777216 tokens, got " + context);
    }
  }

  @Override
  public long mostRowsPerFile() {
    return Math.max(1, ShardFiles.MAX_FILE_BYTES / rowBytes());
  }

  long rowBytes() {
    return 4L * (context + 1);
  }
}
