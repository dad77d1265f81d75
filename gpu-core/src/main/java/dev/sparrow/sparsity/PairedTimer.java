package dev.sparrow.sparsity;

import dev.sparrow.backend.Backend;
import java.util.Arrays;

/**
 * Times two ways to do the same work on a device, turn by turn, so that both meet the same
 * conditions, and takes the median of each. The host's clock is read with the device idle, so that
 * this serves every backend.
 */
public final class PairedTimer {
  /** Of each way. */
  private static final int ROUNDS = 5;

  private final Backend backend;

  public PairedTimer(Backend backend) {
    this.backend = backend;
  }

  /** Medians. */
  public record Times(long firstNanos, long secondNanos) {}

  /**
   * @param warmUpNanos for which both are run before, at least once each
   */
  public Times time(Runnable first, Runnable second, long warmUpNanos) {
    warmUp(first, second, warmUpNanos);
    long[] firstNanos = new long[ROUNDS];
    long[] secondNanos = new long[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
      firstNanos[round] = nanos(first);
      secondNanos[round] = nanos(second);
    }
    return new Times(median(firstNanos), median(secondNanos));
  }

  private void warmUp(Runnable first, Runnable second, long nanos) {
    long begun = System.nanoTime();
    do {
      nanos(first);
      nanos(second);
    } while (System.nanoTime() - begun < nanos);
  }

  private long nanos(Runnable work) {
    backend.synchronize();
    long begun = System.nanoTime();
    work.run();
    backend.synchronize();
    return System.nanoTime() - begun;
  }

  private static long median(long[] nanos) {
    Arrays.sort(nanos);
    return nanos[nanos.length / 2];
  }
}
