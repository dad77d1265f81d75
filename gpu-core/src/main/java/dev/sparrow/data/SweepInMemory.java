package dev.sparrow.data;

/**
 * One pass over samples in memory, for evaluation: rows in their order, striped over the ranks by
 * micro-batch. Where the rows end, the last batch is smaller and then {@link #next} gives null.
 *
 * @param <B> kind of batch
 */
public final class SweepInMemory<B extends Batch> implements BatchSource {
  private final Rows<B> rows;
  private final BatchPlan plan;
  private final B batch;
  private long position;

  public SweepInMemory(Rows<B> rows, BatchPlan plan) {
    this.rows = rows;
    this.plan = plan;
    this.batch = rows.batch(plan.microBatch());
  }

  @Override
  public B next() {
    long first = position + (long) plan.rank() * plan.microBatch();
    position += (long) plan.world() * plan.microBatch();
    if (first >= rows.count()) {
      return null;
    }
    int count = (int) Math.min(plan.microBatch(), rows.count() - first);
    batch.awaitTakenSync();
    for (int i = 0; i < count; i++) {
      rows.copy((int) first + i, first + i, batch, i);
    }
    batch.filled(count, first);
    return batch;
  }

  @Override
  public long samplesPerEpoch() {
    return rows.count();
  }

  @Override
  public long position() {
    return Math.min(position, rows.count());
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
