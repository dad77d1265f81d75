package dev.sparrow.data;

import dev.sparrow.tensor.HostInts;
import java.util.SplittableRandom;
import java.util.function.IntFunction;

/**
 * Training batches from an array of tokens, for corpora that fit in memory. Each epoch has its own
 * order, drawn from the seed and the epoch's number alone (Fisher-Yates).
 */
public final class TokensInMemory implements BatchSource {
  private final int[] tokens; // (rows, context + 1)
  private final int rowLength;
  private final BatchPlan plan;
  private final long seed;
  private final boolean shuffle;
  private final long samplesPerEpoch;
  private final int[] order; // (rows), of epoch orderEpoch
  private final TokenBatch batch;
  private long orderEpoch = -1;
  private long position;
  private int microBatch;

  /** With a batch on the heap. */
  public TokensInMemory(int[] tokens, int context, BatchPlan plan, long seed, boolean shuffle) {
    this(tokens, context, plan, seed, shuffle, HostInts::onHeap);
  }

  /**
   * @param tokens rows of context + 1 ids, one after another; shared, not copied
   * @param shuffle false: rows in their order, every epoch
   * @param memory of the batch, see {@link TokenBatch}
   */
  public TokensInMemory(
      int[] tokens,
      int context,
      BatchPlan plan,
      long seed,
      boolean shuffle,
      IntFunction<HostInts> memory) {
    this.tokens = tokens;
    this.rowLength = context + 1;
    this.plan = plan;
    this.seed = seed;
    this.shuffle = shuffle;
    this.order = new int[rows(tokens, rowLength)];
    this.samplesPerEpoch = order.length / plan.globalBatch() * (long) plan.globalBatch();
    if (samplesPerEpoch == 0) {
      throw new IllegalArgumentException(
          "tokens: expected at least one global batch of "
              + plan.globalBatch()
              + " sequences, got "
              + order.length
              + "; lower train.batch or bring more data");
    }
    this.batch = new TokenBatch(plan.microBatch(), context, memory);
  }

  static int rows(int[] tokens, int rowLength) {
    if (tokens.length % rowLength != 0) {
      throw new IllegalArgumentException(
          "tokens: expected rows of context + 1 = "
              + rowLength
              + " ids, got "
              + tokens.length
              + " ids");
    }
    return tokens.length / rowLength;
  }

  @Override
  public TokenBatch next() {
    long epoch = position / samplesPerEpoch;
    if (epoch != orderEpoch) {
      draw(epoch);
    }
    batch.awaitTakenSync();
    int first = plan.start(microBatch);
    int inEpoch = (int) (position % samplesPerEpoch) + first;
    for (int i = 0; i < plan.microBatch(); i++) {
      int row = order[inEpoch + i];
      batch.tokens().put(i * rowLength, tokens, row * rowLength, rowLength);
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
              + " sequences, got "
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
