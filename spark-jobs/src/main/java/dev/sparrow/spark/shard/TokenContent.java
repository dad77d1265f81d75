package dev.sparrow.spark.shard;

import java.util.Optional;

/**
 * Rows of context + 1 tokens.
 *
 * @param context input tokens of a row
 * @param tokenizer what the ids mean
 * @param train counts of the training split
 * @param validation counts of the validation split
 * @param unigramLoss mean cross-entropy in nats per validation token under the training tokens'
 *     frequencies with one added to every count; null without tokens of both splits. What a model
 *     must beat to have learnt anything from context
 */
public record TokenContent(
    int context, Tokenizer tokenizer, Counts train, Counts validation, Double unigramLoss)
    implements ShardContent {
  /** Other ids would mean other texts to the model, or lie beyond its embedding. */
  @Override
  public Optional<String> mismatch(ShardContent other) {
    String got =
        other instanceof TokenContent tokens ? tokens.tokenizer.identity() : "images, no tokens";
    return got.equals(tokenizer.identity())
        ? Optional.empty()
        : Optional.of(
            "tokenizer "
                + tokenizer.identity()
                + ", got "
                + got
                + "; shard the data with the run's own tokenizer settings");
  }

  TokenRows rows() {
    return new TokenRows(context);
  }

  /**
   * Of one split.
   *
   * @param documents that ended in it
   * @param tokens of those documents, end-of-text included
   * @param dropped tokens left over after the last full row of the whole split
   */
  public record Counts(long documents, long tokens, long dropped) {}

  /**
   * The tokenizer that made the ids.
   *
   * @param kind bytes, gpt2, huggingface or ids
   * @param identity name and digest of the vocabulary
   * @param vocabularySize number of ids
   * @param endOfText the id after each document
   * @param endOfTextToken huggingface: the token as it was named, or null
   */
  public record Tokenizer(
      String kind, String identity, int vocabularySize, int endOfText, String endOfTextToken) {}
}
