package dev.sparrow.data;

/**
 * Samples of one micro-batch of one rank, on the host. Owned by its {@link BatchSource}, which
 * reuses it after the next call of next: use it before then.
 */
public sealed interface Batch extends AutoCloseable permits ImageBatch, TokenBatch {
  /** Samples in use, at most the capacity; the last batch of an evaluation may be smaller. */
  int samples();

  /** Samples that fit. */
  int capacity();

  /** Number of this batch's first sample in the run's global sample order, epochs counted on. */
  long firstSample();

  /** Called by the source when it has written the samples. */
  void filled(int samples, long firstSample);

  /**
   * Called by the source, on whichever thread fills, before it writes other samples: returns when a
   * device has read these. It may read them still after the source's next call of next.
   */
  void awaitTakenSync();

  /** Called by the source when it is closed; a second call does nothing. */
  @Override
  void close();
}
