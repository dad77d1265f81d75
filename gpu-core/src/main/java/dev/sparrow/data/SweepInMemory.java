package dev.sparrow.data;

import dev.sparrow.tensor.HostInts;
import java.util.function.IntFunction;

/**
 * One pass over an array of tokens, for evaluation: rows in their order, striped over the ranks by
 * micro-batch. Where the rows end, the last batch is smaller and then {@link #next} gives null.
 */
public final class SweepInMemory implements BatchSource {
  private final int[] tokens; // (rows, context + 1)
  private final int rowLength;
  private final int rows;
  private final BatchPlan plan;
  private final TokenBatch batch;
  private long position;

  /** With a batch on the heap. */
  public SweepInMemory(int[] tokens, int context, BatchPlan plan) {
    this(tokens, context, plan, HostInts::onHeap);
  }

  /**
   * @param tokens rows of context + 1 ids, one after another; shared, not copied
   * @param memory of the batch, see {@link TokenBatch}
   */
  public SweepInMemory(int[] tokens, int context, BatchPlan plan, IntFunction<HostInts> memory) {
    this.tokens = tokens;
    this.rowLength = context + 1;
    this.rows = TokensInMemory.rows(tokens, rowLength);
    this.plan = plan;
    this.batch = new TokenBatch(plan.microBatch(), context, memory);
  }

  @Override
  public TokenBatch next() {
    long first = position + (long) plan.rank() * plan.microBatch();
    position += (long) plan.world() * plan.microBatch();
    if (first >= rows) {
      return null;
    }
    int count = (int) Math.min(plan.microBatch(), rows - first);
    int length = Math.multiplyExact(count, rowLength);
    batch.awaitTakenSync();
    batch.tokens().put(0, tokens, (int) first * rowLength, length);
    batch.filled(count, first);
    return batch;
  }

  @Override
  public long samplesPerEpoch() {
    return rows;
  }

  @Override
  public long position() {
    return Math.min(position, rows);
  }

  @Override
  public void restore(long position) {
    this.position = position;
  }

  @Override
  public void close() {
    batch.close();
  }
}
