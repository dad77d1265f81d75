package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;

/**
 * Which row of a split is sample n of the run: sample {@code n mod samplesPerEpoch} of epoch {@code
 * n / samplesPerEpoch}, each epoch in its own permutation of all rows. Depends on rows, seed and
 * global batch alone. The rows left out of an epoch differ from epoch to epoch. One thread asks.
 */
final class SampleOrder {
  private final long rows;
  private final long samplesPerEpoch;
  private final long seed;
  private final boolean shuffle;
  private long epoch = -1;
  private SamplePermutation permutation;

  SampleOrder(long rows, long globalBatch, long seed, boolean shuffle) {
    if (rows < globalBatch) {
      throw new DataException(
          "train split: a global batch takes "
              + globalBatch
              + " rows, found "
              + rows
              + "; lower micro-batch, accumulation or ranks, or add data");
    }
    this.rows = rows;
    this.samplesPerEpoch = rows - rows % globalBatch;
    this.seed = seed;
    this.shuffle = shuffle;
  }

  long samplesPerEpoch() {
    return samplesPerEpoch;
  }

  long row(long sample) {
    long index = sample % samplesPerEpoch;
    return shuffle ? permutation(sample / samplesPerEpoch).at(index) : index;
  }

  private SamplePermutation permutation(long wanted) {
    if (wanted != epoch) {
      permutation = new SamplePermutation(rows, seed, wanted);
      epoch = wanted;
    }
    return permutation;
  }
}
