package dev.sparrow.backend;

import java.util.Arrays;

/**
 * A {@link UniformPattern} by its columns: of each column the rows that hold a non-zero there, in
 * ascending order, and where their values lie.
 *
 * @param starts (columns + 1), where a column begins in the others
 * @param rows (non-zeros) by column
 * @param sources (non-zeros) by column: which of the values it is
 */
public record PatternColumns(int[] starts, int[] rows, int[] sources) {
  /** By a counting sort: rows come in order, so each column's are ascending. */
  public static PatternColumns of(UniformPattern pattern) {
    int[] starts = starts(pattern);
    int[] rows = new int[starts[pattern.columns()]];
    int[] sources = new int[rows.length];
    int[] next = Arrays.copyOf(starts, pattern.columns());
    int[] indices = pattern.indices();
    for (int live = 0; live < pattern.liveRows(); live++) {
      int row = pattern.row(live);
      int start = pattern.start(live);
      for (int i = 0; i < pattern.fanIn(); i++) {
        int at = next[indices[start + i]]++;
        rows[at] = row;
        sources[at] = live * pattern.fanIn() + i;
      }
    }
    return new PatternColumns(starts, rows, sources);
  }

  private static int[] starts(UniformPattern pattern) {
    Math.toIntExact(pattern.nonZeros());
    int[] starts = new int[pattern.columns() + 1];
    for (int index : pattern.indices()) {
      starts[index + 1] += pattern.groupRows();
    }
    for (int c = 0; c < pattern.columns(); c++) {
      starts[c + 1] += starts[c];
    }
    return starts;
  }
}
