package dev.sparrow.data;

import dev.sparrow.tensor.HostInts;
import java.util.function.IntFunction;

/** Sequences of token ids in one array. */
public final class TokenRows implements Rows<TokenBatch> {
  private final int[] tokens; // (rows, context + 1)
  private final int context;
  private final IntFunction<HostInts> memory;

  /** With batches on the heap. */
  public TokenRows(int[] tokens, int context) {
    this(tokens, context, HostInts::onHeap);
  }

  /**
   * @param tokens rows of context + 1 ids, one after another; shared, not copied
   * @param memory of batches, see {@link TokenBatch}
   */
  public TokenRows(int[] tokens, int context, IntFunction<HostInts> memory) {
    this.tokens = tokens;
    this.context = context;
    this.memory = memory;
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
    return new TokenBatch(samples, context, memory);
  }

  @Override
  public void copy(int row, long sample, TokenBatch batch, int place) {
    int length = context + 1;
    batch.tokens().put(place * length, tokens, row * length, length);
  }
}
