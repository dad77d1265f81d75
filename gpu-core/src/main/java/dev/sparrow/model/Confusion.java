package dev.sparrow.model;

import java.util.ArrayList;
import java.util.List;

/** How often each class was taken for each: the confusion matrix of a classifier. */
public final class Confusion {
  private final int classes;
  private final long[] counts; // (classes, classes), the true class by row

  public Confusion(int classes) {
    this.classes = classes;
    this.counts = new long[Math.multiplyExact(classes, classes)];
  }

  public int classes() {
    return classes;
  }

  /** Numbers of counts. */
  public int size() {
    return counts.length;
  }

  public void add(int label, int predicted) {
    counts[label * classes + predicted]++;
  }

  /** Samples of class {@code label} that were taken for {@code predicted}. */
  public long count(int label, int predicted) {
    return counts[label * classes + predicted];
  }

  /** All counts, row by row, as they may be summed over ranks. */
  public void copyTo(double[] sums, int at) {
    for (int i = 0; i < counts.length; i++) {
      sums[at + i] = counts[i];
    }
  }

  /** Takes what {@link #copyTo} gave and ranks summed. */
  public void copyFrom(double[] sums, int at) {
    for (int i = 0; i < counts.length; i++) {
      counts[i] = (long) sums[at + i];
    }
  }

  /** Share of samples whose class was told; NaN where there are none. */
  public double accuracy() {
    long right = 0;
    long all = 0;
    for (int i = 0; i < counts.length; i++) {
      all += counts[i];
      right += i / classes == i % classes ? counts[i] : 0;
    }
    return (double) right / all;
  }

  /** A row for each true class. */
  public List<List<Long>> rows() {
    List<List<Long>> rows = new ArrayList<>();
    for (int label = 0; label < classes; label++) {
      List<Long> row = new ArrayList<>();
      for (int predicted = 0; predicted < classes; predicted++) {
        row.add(count(label, predicted));
      }
      rows.add(List.copyOf(row));
    }
    return List.copyOf(rows);
  }
}
