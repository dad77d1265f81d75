package dev.sparrow.bench;

/** In what a rate of floating-point operations is told; multiply and add count as two. */
public enum FlopUnit {
  GIGA("GFLOP/s", 1e9),
  TERA("TFLOP/s", 1e12);

  private final String words;
  private final double flopsPerSecond;

  FlopUnit(String words, double flopsPerSecond) {
    this.words = words;
    this.flopsPerSecond = flopsPerSecond;
  }

  /** As rows have it. */
  public String words() {
    return words;
  }

  /** The rate of so many operations in so many seconds. */
  double rate(double flops, double seconds) {
    return flops / seconds / flopsPerSecond;
  }
}
