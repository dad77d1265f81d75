package dev.sparrow.backend;

/**
 * Compares a backend's values with the oracle's: {@code |actual - expected| <= absolute +
 * relative·|expected|}. NaN and infinities fail unless both sides have the same.
 *
 * <p>The message names the worst element, both values and the seed.
 */
public final class TensorAssert {
  private final String context;
  private final double absolute;
  private final double relative;

  /**
   * @param context what was compared with which sizes and seed; ends the message
   * @param absolute allowed difference where the expected value is 0: that of a sum whose terms
   *     cancel
   * @param relative allowed difference as a share of the expected value's magnitude
   */
  public TensorAssert(String context, double absolute, double relative) {
    this.context = context;
    this.absolute = absolute;
    this.relative = relative;
  }

  /** Throws an AssertionError that names the worst element unless all are within the tolerance. */
  public void check(String name, double[] expected, double[] actual) {
    if (expected.length != actual.length) {
      throw new AssertionError(
          "%s: expected %d elements, got %d; %s"
              .formatted(name, expected.length, actual.length, context));
    }
    int worst = -1;
    double worstExcess = 0;
    int failures = 0;
    for (int i = 0; i < expected.length; i++) {
      double excess = excess(expected[i], actual[i]);
      failures += excess > 1 ? 1 : 0;
      if (excess > worstExcess) {
        worst = i;
        worstExcess = excess;
      }
    }
    if (failures > 0) {
      throw new AssertionError(
          "%s: %d of %d elements differ, worst at %d: expected %.9g, got %.9g, allowed %.3g; %s"
              .formatted(
                  name,
                  failures,
                  expected.length,
                  worst,
                  expected[worst],
                  actual[worst],
                  absolute + relative * Math.abs(expected[worst]),
                  context));
    }
  }

  /** The difference as a multiple of what is allowed. */
  private double excess(double expected, double actual) {
    // Equal infinities, NaN on both sides, and zeros of either sign.
    if (expected == actual || Double.compare(expected, actual) == 0) {
      return 0;
    }
    double excess = Math.abs(actual - expected) / (absolute + relative * Math.abs(expected));
    return Double.isNaN(excess) ? Double.POSITIVE_INFINITY : excess;
  }

  /** Throws unless the integers are equal. */
  public void check(String name, int[] expected, int[] actual) {
    for (int i = 0; i < Math.max(expected.length, actual.length); i++) {
      if (expected.length != actual.length || expected[i] != actual[i]) {
        throw new AssertionError(
            "%s: expected %d integers, got %d; first difference at %d: expected %s, got %s; %s"
                .formatted(
                    name,
                    expected.length,
                    actual.length,
                    i,
                    i < expected.length ? expected[i] : "none",
                    i < actual.length ? actual[i] : "none",
                    context));
      }
    }
  }
}
