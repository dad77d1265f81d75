package dev.sparrow.train;

/**
 * Takes rows while training. Called on rank 0 alone, by the training thread: an implementation that
 * talks to a network hands over and returns. An exception stops the run.
 */
@FunctionalInterface
public interface MetricsSink {
  /**
   * Called once, before the first step.
   *
   * @param done updates done before: 0 in a new run; rows past it that a killed attempt left are
   *     void and will come again
   * @param steps updates of the whole run
   */
  default void start(long done, long steps) {}

  void row(MetricsRow row);
}
