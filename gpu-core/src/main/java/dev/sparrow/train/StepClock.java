package dev.sparrow.train;

/** Where the time of training goes; pauses such as validation are left out. One thread uses it. */
final class StepClock {
  private static final double NANOS_PER_SECOND = 1e9;

  private long rowStart;
  private long rowUnits;
  private long rowDataWait;
  private long rowReduceWait;
  private long pauseStart;
  private long totalUnits;
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

  /** Tokens or samples that were trained on. */
  void units(long count) {
    rowUnits += count;
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
        new Window(rowUnits / nanos * NANOS_PER_SECOND, rowDataWait / nanos, rowReduceWait / nanos);
    totalUnits += rowUnits;
    totalNanos += now - rowStart;
    rowStart = now;
    rowUnits = 0;
    rowDataWait = 0;
    rowReduceWait = 0;
    return window;
  }

  record Window(double unitsPerSecond, double dataWaitShare, double reduceWaitShare) {}

  /** Of all windows so far. */
  double unitsPerSecond() {
    return totalNanos == 0 ? 0 : totalUnits / (double) totalNanos * NANOS_PER_SECOND;
  }
}
