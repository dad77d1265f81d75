package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.sparsity.PairedTimer;
import java.util.HashSet;
import java.util.Set;

/** Times a layer's products in both forms on tensors of its sizes. */
final class TimedProducts implements ProductTimer {
  /**
   * Before a kind's first pattern: within it the compiler has done with loops over large layers.
   */
  private static final long WARM_UP_NANOS = 1_000_000_000;

  private final Backend backend;
  private final PairedTimer timer;
  private final Set<Class<?>> warm = new HashSet<>(); // kinds of products

  TimedProducts(Backend backend) {
    this.backend = backend;
    this.timer = new PairedTimer(backend);
  }

  /** All in all a pattern costs about a dozen micro-batches of its layer. */
  @Override
  public ProductTimes time(UniformPattern pattern, int matrices, int rows) {
    try (TrialProducts trial = TrialProducts.of(backend, pattern, matrices, rows)) {
      long warmUp = warm.add(trial.getClass()) ? WARM_UP_NANOS : 0;
      PairedTimer.Times times = timer.time(trial::multiplySparse, trial::multiplyWhole, warmUp);
      return new ProductTimes(times.firstNanos(), times.secondNanos());
    }
  }
}
