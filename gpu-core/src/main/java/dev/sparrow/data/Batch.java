package dev.sparrow.data;

/**
 * Samples of one micro-batch of one rank, on the host. Owned by its {@link BatchSource}, which
 * reuses it after the next call of next: use it before then.
 */
public abstract sealed class Batch implements AutoCloseable permits ImageBatch, TokenBatch {
  private int samples;
  private long firstSample;

  /** Samples in use; the last batch of an evaluation may be smaller. */
  public final int samples() {
    return samples;
  }

  /** Number of this batch's first sample in the run's global sample order, epochs counted on. */
  public final long firstSample() {
    return firstSample;
  }

  /** Called by the source when it has written the samples. */
  public final void filled(int samples, long firstSample) {
    this.samples = samples;
    this.firstSample = firstSample;
  }

  /**
   * Called by the source, on whichever thread fills, before it writes other samples: returns when a
   * device has read these. It may read them still after the source's next call of next.
   */
  public abstract void awaitTakenSync();

  /** Called by the source when it is closed; a second call does nothing. */
  @Override
  public abstract void close();
}
