package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.UniformPattern;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;

/**
 * Runs a layer's products in both forms, turn by turn, on tensors of its sizes, and takes the
 * median of each. The host's clock is read with the device idle, so that this serves every backend.
 */
final class TimedProducts implements ProductTimer {
  /** Of each form. All in all a pattern costs about a dozen micro-batches of its layer. */
  private static final int ROUNDS = 5;

  /**
   * Before a kind's first pattern: within it the compiler has done with loops over large layers.
   */
  private static final long WARM_UP_NANOS = 1_000_000_000;

  private final Backend backend;
  private final Set<Class<?>> warm = new HashSet<>(); // kinds of products

  TimedProducts(Backend backend) {
    this.backend = backend;
  }

  @Override
  public ProductTimes time(UniformPattern pattern, int matrices, int rows) {
    try (TrialProducts trial = TrialProducts.of(backend, pattern, matrices, rows)) {
      Runnable sparse = trial::multiplySparse;
      Runnable whole = trial::multiplyWhole;
      warmUp(sparse, whole, warm.add(trial.getClass()) ? WARM_UP_NANOS : 0);
      long[] sparseNanos = new long[ROUNDS];
      long[] wholeNanos = new long[ROUNDS];
      for (int round = 0; round < ROUNDS; round++) {
        sparseNanos[round] = nanos(sparse);
        wholeNanos[round] = nanos(whole);
      }
      return new ProductTimes(median(sparseNanos), median(wholeNanos));
    }
  }

  /** At least once each. */
  private void warmUp(Runnable sparse, Runnable whole, long nanos) {
    long begun = System.nanoTime();
    do {
      nanos(sparse);
      nanos(whole);
    } while (System.nanoTime() - begun < nanos);
  }

  private long nanos(Runnable products) {
    backend.synchronize();
    long begun = System.nanoTime();
    products.run();
    backend.synchronize();
    return System.nanoTime() - begun;
  }

  private static long median(long[] nanos) {
    Arrays.sort(nanos);
    return nanos[nanos.length / 2];
  }
}
