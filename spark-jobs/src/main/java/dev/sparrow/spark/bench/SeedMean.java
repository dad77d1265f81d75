package dev.sparrow.spark.bench;

import java.util.Arrays;
import java.util.Locale;
import org.apache.commons.math3.distribution.TDistribution;
import org.apache.commons.math3.stat.StatUtils;

/**
 * Mean of a figure over runs of several seeds, and half the width of its 95% confidence interval
 * (Student's t).
 *
 * @param halfWidth NaN of a single run
 */
record SeedMean(double mean, double halfWidth, double min, double max, int runs) {
  private static final double COVERAGE = 0.95;

  static SeedMean of(double... values) {
    double mean = StatUtils.mean(values);
    double halfWidth = Double.NaN;
    if (values.length > 1) {
      double quantile =
          new TDistribution(values.length - 1.0).inverseCumulativeProbability((1 + COVERAGE) / 2);
      halfWidth = quantile * Math.sqrt(StatUtils.variance(values) / values.length);
    }
    double min = Arrays.stream(values).min().orElseThrow();
    double max = Arrays.stream(values).max().orElseThrow();
    return new SeedMean(Math.max(min, Math.min(max, mean)), halfWidth, min, max, values.length);
  }

  /** Of a share: {@code 55.31 ± 0.42} of a hundred. */
  String percent() {
    return text(100);
  }

  /** {@code 5.31 ± 0.04}. */
  String plain() {
    return text(1);
  }

  private String text(int scale) {
    String text = String.format(Locale.ROOT, "%.2f", scale * mean);
    return runs == 1 ? text : text + String.format(Locale.ROOT, " ± %.2f", scale * halfWidth);
  }
}
