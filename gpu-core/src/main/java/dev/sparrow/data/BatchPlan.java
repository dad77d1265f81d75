package dev.sparrow.data;

/**
 * How a global batch is divided: micro-batch i of rank r takes {@code microBatch} samples from
 * {@code (i·world + r)·microBatch}.
 *
 * @param rank this rank
 * @param world ranks
 * @param microBatch samples of one forward pass of one rank
 * @param accumulation micro-batches of one rank in a global batch
 */
public record BatchPlan(int rank, int world, int microBatch, int accumulation) {
  public BatchPlan {
    if (world < 1 || rank < 0 || rank >= world || microBatch < 1 || accumulation < 1) {
      throw new IllegalArgumentException(
          "batch plan: expected 0 <= rank < world, micro-batch >= 1 and accumulation >= 1, got rank "
              + rank
              + ", world "
              + world
              + ", micro-batch "
              + microBatch
              + ", accumulation "
              + accumulation);
    }
  }

  /**
   * The plan of {@code train.batch} and {@code train.micro-batch}.
   *
   * @param microBatch 0: the rank's whole share at once
   */
  public static BatchPlan of(int batch, int microBatch, int rank, int world) {
    if (batch < world || batch % world != 0) {
      throw new IllegalArgumentException(
          "train.batch: expected a multiple of the "
              + world
              + " ranks, got "
              + batch
              + "; change train.batch or cluster.ranks");
    }
    int share = batch / world;
    int micro = microBatch == 0 ? share : microBatch;
    if (micro > share || share % micro != 0) {
      throw new IllegalArgumentException(
          "train.micro-batch: expected a divisor of train.batch / ranks = "
              + share
              + ", got "
              + micro
              + "; change train.micro-batch, or set it to 0");
    }
    return new BatchPlan(rank, world, micro, share / micro);
  }

  /** Samples of one update over all ranks. */
  public int globalBatch() {
    return world * microBatch * accumulation;
  }

  /** First sample of this rank's micro-batch {@code i}, from the global batch's start. */
  public int start(int i) {
    return (i * world + rank) * microBatch;
  }
}
