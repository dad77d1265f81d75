package dev.sparrow.backend.cpu;

import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import java.util.Arrays;

/**
 * A pattern with the view of its transpose: for each column its rows, in ascending order. The
 * pattern of stacked matrices has a transpose for each of them, with rows counted from the matrix's
 * own first.
 */
final class CpuSparsePattern implements SparsePattern {
  private final UniformPattern pattern;
  private final int matrixRows;
  private final int[] liveRowOf; // (rows), -1 where the row is off
  private final int[] firstLive; // (matrices + 1)
  private final int[] starts; // (matrices * columns + 1)
  private final int[] rows; // (non-zeros) by matrix and column
  private final int[] sources; // (non-zeros) likewise: where its value lies
  private final Spans rowSpans; // of each live group's columns
  private final Spans columnSpans; // of each column's rows

  /**
   * @param matrices equal ones that the pattern's rows are
   */
  CpuSparsePattern(UniformPattern pattern, int matrices) {
    this.pattern = pattern;
    this.matrixRows = pattern.rowsOfEach(matrices);
    int nonZeros = Math.toIntExact(pattern.nonZeros());
    this.liveRowOf = new int[pattern.rows()];
    Arrays.fill(liveRowOf, -1);
    this.firstLive = new int[matrices + 1];
    this.starts = new int[matrices * pattern.columns() + 1];
    this.rows = new int[nonZeros];
    this.sources = new int[nonZeros];
    countColumns();
    sortByColumn();
    this.rowSpans = new Spans(pattern.indices(), groupStarts(), pattern.columns());
    this.columnSpans = new Spans(rows, starts, matrixRows);
  }

  private void countColumns() {
    for (int live = 0; live < pattern.liveRows(); live++) {
      firstLive[matrix(live) + 1]++;
      int lists = matrix(live) * pattern.columns();
      for (int i = pattern.start(live); i < pattern.start(live) + pattern.fanIn(); i++) {
        starts[lists + pattern.indices()[i] + 1]++;
      }
    }
    addUp(firstLive);
    addUp(starts);
  }

  /** Counts become where each list starts. */
  private static void addUp(int[] counts) {
    for (int i = 1; i < counts.length; i++) {
      counts[i] += counts[i - 1];
    }
  }

  /** A counting sort; rows come in order, so each column's are ascending. */
  private void sortByColumn() {
    int[] next = Arrays.copyOf(starts, starts.length - 1);
    int[] indices = pattern.indices();
    for (int live = 0; live < pattern.liveRows(); live++) {
      int row = pattern.row(live);
      liveRowOf[row] = live;
      int start = pattern.start(live);
      int lists = matrix(live) * pattern.columns();
      for (int i = 0; i < pattern.fanIn(); i++) {
        int at = next[lists + indices[start + i]]++;
        rows[at] = row % matrixRows;
        sources[at] = live * pattern.fanIn() + i;
      }
    }
  }

  private int[] groupStarts() {
    int[] groupStarts = new int[pattern.liveGroups() + 1];
    Arrays.setAll(groupStarts, group -> group * pattern.fanIn());
    return groupStarts;
  }

  @Override
  public UniformPattern pattern() {
    return pattern;
  }

  /** Whether rows share their columns by fours, as {@link SparseGroupLoops} take them. */
  boolean runsInFours() {
    return pattern.groupRows() % SparseGroupLoops.ROWS == 0;
  }

  int matrices() {
    return firstLive.length - 1;
  }

  /** Rows of each matrix. */
  int matrixRows() {
    return matrixRows;
  }

  /** The matrix that a row of the values belongs to. */
  int matrix(int liveRow) {
    return pattern.row(liveRow) / matrixRows;
  }

  /** First of a matrix's rows of the values; that of the next matrix is the end. */
  int firstLive(int matrix) {
    return firstLive[matrix];
  }

  /** Row of the values that belongs to a row of the pattern, or -1 where the row is off. */
  int liveRow(int row) {
    return liveRowOf[row];
  }

  /** The columns of each live group in {@link UniformPattern#indices}, cut. */
  Spans rowSpans() {
    return rowSpans;
  }

  /** The rows of each column in {@link #rowsByColumn}, matrix by matrix, cut. */
  Spans columnSpans() {
    return columnSpans;
  }

  int[] rowsByColumn() {
    return rows;
  }

  int[] sourcesByColumn() {
    return sources;
  }

  @Override
  public void close() {
    // The heap takes it back.
  }
}
