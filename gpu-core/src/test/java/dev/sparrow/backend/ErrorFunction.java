package dev.sparrow.backend;

/**
 * The complementary error function to double precision, from its definition: the all-positive
 * series of Abramowitz & Stegun 7.1.6 for |x| < 2.5, the continued fraction 7.1.14 beyond.
 */
final class ErrorFunction {
  private static final double SERIES_LIMIT = 2.5;
  // At x = 2.5 the fraction has converged to a double's precision after about 50 levels.
  private static final int FRACTION_LEVELS = 120;

  private ErrorFunction() {}

  static double erf(double x) {
    if (StrictMath.abs(x) < SERIES_LIMIT) {
      return series(x);
    }
    return x > 0 ? 1 - fraction(x) : fraction(-x) - 1;
  }

  static double erfc(double x) {
    if (StrictMath.abs(x) < SERIES_LIMIT) {
      return 1 - series(x);
    }
    return x > 0 ? fraction(x) : 2 - fraction(-x);
  }

  /** erf(x) = 2/√π·exp(-x²)·Σ_n 2ⁿ·x^(2n+1)/(1·3·…·(2n+1)) */
  private static double series(double x) {
    double term = x;
    double sum = x;
    for (int n = 1; StrictMath.abs(term) > 1e-18 * StrictMath.abs(sum); n++) {
      term *= 2 * x * x / (2 * n + 1);
      sum += term;
    }
    return 2 / StrictMath.sqrt(StrictMath.PI) * StrictMath.exp(-x * x) * sum;
  }

  /** erfc(x) = exp(-x²)/√π · 1/(x + (1/2)/(x + (2/2)/(x + (3/2)/(x + …)))) */
  private static double fraction(double x) {
    double tail = x;
    for (int n = FRACTION_LEVELS; n >= 1; n--) {
      tail = x + n / 2.0 / tail;
    }
    return StrictMath.exp(-x * x) / StrictMath.sqrt(StrictMath.PI) / tail;
  }
}
