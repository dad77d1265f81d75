package dev.sparrow.bench;

import java.util.List;
import java.util.Locale;

/** Rows as people read them, a line each. */
public final class BenchTable {
  private static final String LINE = "%-10s %-24s %-26s %14s %14s %7s  %s";

  private BenchTable() {}

  /** The columns' names. */
  public static String header() {
    return String.format(
        Locale.ROOT, LINE, "suite", "case", "metric", "median", "baseline", "ratio", "min..max");
  }

  /** One line for each row. */
  public static List<String> lines(List<BenchRow> rows) {
    return rows.stream().map(BenchTable::line).toList();
  }

  private static String line(BenchRow row) {
    String range = figure(row.min()) + ".." + figure(row.max());
    return String.format(
        Locale.ROOT,
        LINE,
        row.suite(),
        row.caseName(),
        row.metric(),
        figure(row.value()),
        row.baseline() == null ? "-" : figure(row.baseline()),
        row.ratio() == null ? "-" : String.format(Locale.ROOT, "%.2f", row.ratio()),
        range + " " + row.unit() + ", " + row.runs() + " runs");
  }

  private static String figure(double value) {
    return String.format(Locale.ROOT, Math.abs(value) >= 1000 ? "%,.0f" : "%.3f", value);
  }
}
