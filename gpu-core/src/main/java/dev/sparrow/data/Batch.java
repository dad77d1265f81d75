package dev.sparrow.data;

import java.nio.IntBuffer;

/**
 * Sequences of one micro-batch of one rank, on the host. Owned by its {@link BatchSource}, which
 * reuses it after the next call of next: use it before then.
 *
 * <p>Row b holds context + 1 token ids at {@code tokens[b·(context+1)]}; the first context are the
 * inputs, the last context the targets.
 */
public final class Batch {
  private final IntBuffer tokens;
  private final int capacity;
  private final int context;
  private int sequences;
  private long firstSample;

  public Batch(int maxSequences, int context) {
    this.tokens = IntBuffer.allocate(Math.multiplyExact(maxSequences, context + 1));
    this.capacity = maxSequences;
    this.context = context;
  }

  /**
   * All rows' ids, to be read and written by index, position and limit left as they are; only the
   * first {@link #sequences} rows count.
   */
  public IntBuffer tokens() {
    return tokens;
  }

  /** Input tokens of a sequence. */
  public int context() {
    return context;
  }

  /** Rows in use, at most the capacity; the last batch of an evaluation may be smaller. */
  public int sequences() {
    return sequences;
  }

  /** Rows that fit. */
  public int capacity() {
    return capacity;
  }

  /** Number of this batch's first sequence in the run's global sample order, epochs counted on. */
  public long firstSample() {
    return firstSample;
  }

  /** Called by the source when it has filled {@link #tokens}. */
  public void filled(int sequences, long firstSample) {
    this.sequences = sequences;
    this.firstSample = firstSample;
  }
}
