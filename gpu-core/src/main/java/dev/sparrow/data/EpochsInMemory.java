package dev.sparrow.data;

import java.util.SplittableRandom;

/**
 * Training batches of samples that fit in memory. Each epoch has its own order, drawn from the seed
 * and the epoch's number alone (Fisher-Yates).
 *
 * @param <B> kind of batch
 */
public final class EpochsInMemory<B extends Batch> implements BatchSource {
  private final Rows<B> rows;
  private final BatchPlan plan;
  private final long seed;
  private final boolean shuffle;
  private final long samplesPerEpoch;
  private final int[] order; // (rows), of epoch orderEpoch
  private final B batch;
  private long orderEpoch = -1;
  private long position;
  private int microBatch;

  /**
   * @param shuffle false: rows in their order, every epoch
   */
  public EpochsInMemory(Rows<B> rows, BatchPlan plan, long seed, boolean shuffle) {
    this.rows = rows;
    this.plan = plan;
    this.seed = seed;
    this.shuffle = shuffle;
    this.order = new int[rows.count()];
    this.samplesPerEpoch = order.length / plan.globalBatch() * (long) plan.globalBatch();
    if (samplesPerEpoch == 0) {
      throw new IllegalArgumentException(
          "data: expected at least one global batch of "
              + plan.globalBatch()
              + " samples, got "
              + order.length
              + "; lower train.batch or bring more data");
    }
    this.batch = rows.batch(plan.microBatch());
  }

  @Override
  public B next() {
    long epoch = position / samplesPerEpoch;
    if (epoch != orderEpoch) {
      draw(epoch);
    }
    batch.awaitTakenSync();
    int first = plan.start(microBatch);
    int inEpoch = (int) (position % samplesPerEpoch) + first;
    for (int i = 0; i < plan.microBatch(); i++) {
      rows.copy(order[inEpoch + i], position + first + i, batch, i);
    }
    batch.filled(plan.microBatch(), position + first);
    microBatch++;
    if (microBatch == plan.accumulation()) {
      microBatch = 0;
      position += plan.globalBatch();
    }
    return batch;
  }

  private void draw(long epoch) {
    for (int i = 0; i < order.length; i++) {
      order[i] = i;
    }
    SplittableRandom random = new SplittableRandom(seed * 0x9E3779B97F4A7C15L + epoch);
    for (int i = order.length - 1; shuffle && i > 0; i--) {
      int j = random.nextInt(i + 1);
      int held = order[i];
      order[i] = order[j];
      order[j] = held;
    }
    orderEpoch = epoch;
  }

  @Override
  public long samplesPerEpoch() {
    return samplesPerEpoch;
  }

  @Override
  public long position() {
    return position;
  }

  @Override
  public void restore(long position) {
    if (position < 0 || position % plan.globalBatch() != 0) {
      throw new IllegalArgumentException(
          "position: expected a multiple of the global batch of "
              + plan.globalBatch()
              + " samples, got "
              + position
              + "; resume with the train.batch of the run that saved it");
    }
    this.position = position;
    this.microBatch = 0;
  }

  @Override
  public void close() {
    batch.close();
  }
}
