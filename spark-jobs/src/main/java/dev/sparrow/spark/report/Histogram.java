package dev.sparrow.spark.report;

import java.util.Arrays;

/**
 * How often whole numbers occur, in bins of one width.
 *
 * @param first the smallest number
 * @param width numbers of a bin, >= 1
 * @param counts bin i holds the numbers from first + i·width on
 */
public record Histogram(int first, int width, int[] counts) {
  private static final int MOST_BINS = 32;

  /** Of at least one number; as many bins as can be told apart, at most 32. */
  static Histogram of(int[] numbers) {
    int first = Arrays.stream(numbers).min().orElseThrow();
    int span = Arrays.stream(numbers).max().orElseThrow() - first + 1;
    int width = (span + MOST_BINS - 1) / MOST_BINS;
    int[] counts = new int[(span + width - 1) / width];
    for (int number : numbers) {
      counts[(number - first) / width]++;
    }
    return new Histogram(first, width, counts);
  }
}
