package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.sparsity.PairedTimer;
import java.util.HashMap;
import java.util.Map;

/** Times a layer's products in both forms on tensors of its sizes. */
final class TimedProducts implements ProductTimer {
  /** Of a kind's products: within it the compiler has done with loops over large layers. */
  private static final long COLD_NANOS = 1_500_000_000;

  private final Backend backend;
  private final PairedTimer timer;
  private final Map<Class<?>, Long> run = new HashMap<>(); // nanoseconds by kind of products

  TimedProducts(Backend backend) {
    this.backend = backend;
    this.timer = new PairedTimer(backend);
  }

  /** A pattern costs between two and five micro-batches of its layer in either form. */
  @Override
  public ProductTimes time(UniformPattern pattern, int matrices, int rows) {
    try (TrialProducts trial = TrialProducts.of(backend, pattern, matrices, rows)) {
      long begun = System.nanoTime();
      long cold = Math.max(0, COLD_NANOS - run.getOrDefault(trial.getClass(), 0L));
      PairedTimer.Times times = timer.time(trial::multiplySparse, trial::multiplyWhole, cold);
      run.merge(trial.getClass(), System.nanoTime() - begun, Long::sum);
      return new ProductTimes(times.firstNanos(), times.secondNanos());
    }
  }
}
