package dev.sparrow.data;

/**
 * Batches in a global order that depends on the data and the seed alone. In that order sample n of
 * the run is sample {@code n mod samplesPerEpoch} of epoch {@code n / samplesPerEpoch}. A global
 * batch takes the next {@code world·microBatch·accumulation} samples; micro-batch i of rank r takes
 * {@code microBatch} of them from {@code (i·world + r)·microBatch}. So the same samples make the
 * same global batch whatever the number of ranks. The samples of an epoch's end that no longer fill
 * a global batch are left out of that epoch.
 *
 * <p>One thread calls; closing releases batches, files and threads.
 */
public interface BatchSource extends AutoCloseable {
  /** The next micro-batch of this rank; valid until the next call. Never null in training. */
  Batch next();

  /** Samples of one epoch over all ranks, a multiple of the global batch. */
  long samplesPerEpoch();

  /** Global samples consumed before the next global batch, over all ranks. */
  long position();

  /** Continues at a position that {@link #position} gave, under any number of ranks. */
  void restore(long position);

  @Override
  void close();
}
