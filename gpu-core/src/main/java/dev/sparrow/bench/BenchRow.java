package dev.sparrow.bench;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Arrays;

/**
 * One figure of a benchmark.
 *
 * @param suite such as allreduce
 * @param caseName the case within the suite, {@code case} in JSON
 * @param metric what was measured
 * @param value median over the runs, in {@code unit}
 * @param baseline median of what it is compared with, in the same unit; null where nothing
 * @param ratio ours over the baseline, larger is better; null where there is no baseline
 * @param runs number of measurements behind the median
 * @param min least value of them
 * @param max greatest value of them
 * @param device the processor or accelerator, in words
 */
public record BenchRow(
    String suite,
    @JsonProperty("case") String caseName,
    String metric,
    double value,
    String unit,
    Double baseline,
    Double ratio,
    int runs,
    double min,
    double max,
    String device) {
  public BenchRow {
    if (runs < 1 || !(min <= value && value <= max)) {
      throw new IllegalArgumentException(
          "bench row: expected at least 1 run and min <= value <= max, got "
              + runs
              + " runs, "
              + min
              + ", "
              + value
              + ", "
              + max);
    }
  }

  /** A row of a figure of which more is better, such as bytes per second. */
  public static BenchRow ofRate(
      String suite, String caseName, String metric, String unit, double[] values, Double baseline) {
    Double ratio = baseline == null ? null : (Double) (median(values) / baseline);
    return of(suite, caseName, metric, unit, values, baseline, ratio);
  }

  /** A row of a figure of which less is better, such as nanoseconds per byte. */
  public static BenchRow ofCost(
      String suite, String caseName, String metric, String unit, double[] values, Double baseline) {
    Double ratio = baseline == null ? null : (Double) (baseline / median(values));
    return of(suite, caseName, metric, unit, values, baseline, ratio);
  }

  /** A row of the geometric mean of ratios over a baseline, of which more is better. */
  public static BenchRow ofGeometricMean(
      String suite, String caseName, String metric, double[] ratios) {
    double logs = Arrays.stream(ratios).map(Math::log).average().orElseThrow();
    double min = Arrays.stream(ratios).min().orElseThrow();
    double max = Arrays.stream(ratios).max().orElseThrow();
    double mean = Math.max(min, Math.min(max, Math.exp(logs))); // rounding aside, it lies between
    return new BenchRow(
        suite, caseName, metric, mean, "x", 1.0, mean, ratios.length, min, max, cpu());
  }

  private static BenchRow of(
      String suite,
      String caseName,
      String metric,
      String unit,
      double[] values,
      Double baseline,
      Double ratio) {
    double median = median(values);
    double min = Arrays.stream(values).min().orElseThrow();
    double max = Arrays.stream(values).max().orElseThrow();
    return new BenchRow(
        suite, caseName, metric, median, unit, baseline, ratio, values.length, min, max, cpu());
  }

  /** The same measured on another device than this machine's processor. */
  public BenchRow on(String device) {
    return new BenchRow(
        suite, caseName, metric, value, unit, baseline, ratio, runs, min, max, device);
  }

  /** The middle value, or the mean of the two middle ones. */
  public static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int half = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }

  /** This machine's processor, such as {@code amd64, 2 processors}. */
  public static String cpu() {
    return System.getProperty("os.arch")
        + ", "
        + Runtime.getRuntime().availableProcessors()
        + " processors";
  }
}
