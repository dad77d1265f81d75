package dev.sparrow.train;

/** Where the time of training goes; pauses such as validation are left out. One thread uses it. */
final class StepClock {
  private static final double NANOS_PER_SECOND = 1e9;

  private long rowStart;
  private long rowTokens;
  private long rowDataWait;
  private long rowReduceWait;
  private long pauseStart;
  private long totalTokens;
  private long totalNanos;

  /** Begins the first row's window. */
  void start() {
    rowStart = System.nanoTime();
  }

  void dataWait(long nanos) {
    rowDataWait += nanos;
  }

  void reduceWait(long nanos) {
    rowReduceWait += nanos;
  }

  void tokens(long count) {
    rowTokens += count;
  }

  void pause() {
    pauseStart = System.nanoTime();
  }

  void resume() {
    rowStart += System.nanoTime() - pauseStart;
  }

  /** Rates of the window that ends now, and the next one begins. */
  Window lap() {
    long now = System.nanoTime();
    double nanos = Math.max(1, now - rowStart);
    Window window =
        new Window(
            rowTokens / nanos * NANOS_PER_SECOND, rowDataWait / nanos, rowReduceWait / nanos);
    totalTokens += rowTokens;
    totalNanos += now - rowStart;
    rowStart = now;
    rowTokens = 0;
    rowDataWait = 0;
    rowReduceWait = 0;
    return window;
  }

  record Window(double tokensPerSecond, double dataWaitShare, double reduceWaitShare) {}

  /** Of all windows so far. */
  double tokensPerSecond() {
    return totalNanos == 0 ? 0 : totalTokens / (double) totalNanos * NANOS_PER_SECOND;
  }
}
