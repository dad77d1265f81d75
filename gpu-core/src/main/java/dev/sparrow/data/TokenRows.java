package dev.sparrow.data;

/** Sequences of token ids in one array. */
public final class TokenRows implements Rows<TokenBatch> {
  private final int[] tokens; // (rows, context + 1)
  private final int context;

  /**
   * @param tokens rows of context + 1 ids, one after another; shared, not copied
   */
  public TokenRows(int[] tokens, int context) {
    this.tokens = tokens;
    this.context = context;
    if (tokens.length % (context + 1) != 0) {
      throw new IllegalArgumentException(
          "tokens: expected rows of context + 1 = "
              + (context + 1)
              + " ids, got "
              + tokens.length
              + " ids");
    }
  }

  @Override
  public int count() {
    return tokens.length / (context + 1);
  }

  @Override
  public TokenBatch batch(int samples) {
    return new TokenBatch(samples, context);
  }

  @Override
  public void copy(int row, long sample, TokenBatch batch, int place) {
    int length = context + 1;
    batch.tokens().put(place * length, tokens, row * length, length);
  }
}
