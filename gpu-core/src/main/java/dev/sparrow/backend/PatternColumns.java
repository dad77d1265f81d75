package dev.sparrow.backend;

import java.util.Arrays;

/**
 * A {@link UniformPattern} by its columns: of each column the rows that hold a non-zero there, in
 * ascending order, and where their values lie. The pattern of stacked matrices has the columns of
 * each of them, one matrix after the other, with rows counted from the matrix's own first.
 *
 * @param starts (matrices · columns + 1), where a column begins in the others
 * @param rows (non-zeros) by column
 * @param sources (non-zeros) by column: which of the values it is
 */
public record PatternColumns(int[] starts, int[] rows, int[] sources) {
  /** Of one matrix. */
  public static PatternColumns of(UniformPattern pattern) {
    return of(pattern, 1);
  }

  /**
   * By a counting sort: rows come in order, so each column's are ascending.
   *
   * @param matrices equal ones that the pattern's rows are
   */
  public static PatternColumns of(UniformPattern pattern, int matrices) {
    int matrixRows = pattern.rowsOfEach(matrices);
    int[] starts = starts(pattern, matrices);
    int[] rows = new int[starts[starts.length - 1]];
    int[] sources = new int[rows.length];
    int[] next = Arrays.copyOf(starts, starts.length - 1);
    int[] indices = pattern.indices();
    for (int live = 0; live < pattern.liveRows(); live++) {
      int row = pattern.row(live);
      int start = pattern.start(live);
      int first = row / matrixRows * pattern.columns();
      for (int i = 0; i < pattern.fanIn(); i++) {
        int at = next[first + indices[start + i]]++;
        rows[at] = row % matrixRows;
        sources[at] = live * pattern.fanIn() + i;
      }
    }
    return new PatternColumns(starts, rows, sources);
  }

  private static int[] starts(UniformPattern pattern, int matrices) {
    Math.toIntExact(pattern.nonZeros());
    int matrixRows = pattern.rowsOfEach(matrices);
    int[] starts = new int[Math.multiplyExact(matrices, pattern.columns()) + 1];
    for (int live = 0; live < pattern.liveRows(); live++) {
      int first = pattern.row(live) / matrixRows * pattern.columns();
      int start = pattern.start(live);
      for (int i = start; i < start + pattern.fanIn(); i++) {
        starts[first + pattern.indices()[i] + 1]++;
      }
    }
    for (int i = 1; i < starts.length; i++) {
      starts[i] += starts[i - 1];
    }
    return starts;
  }
}
