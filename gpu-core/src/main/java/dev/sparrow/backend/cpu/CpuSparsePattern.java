package dev.sparrow.backend.cpu;

import dev.sparrow.backend.HostLoop;
import dev.sparrow.backend.PatternColumns;
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
  private final PatternColumns byColumn;
  private final Spans rowSpans; // of each live group's columns
  private final Spans columnSpans; // of each column's rows

  /**
   * @param matrices equal ones that the pattern's rows are
   */
  CpuSparsePattern(UniformPattern pattern, int matrices, HostLoop loop) {
    this.pattern = pattern;
    this.matrixRows = pattern.rowsOfEach(matrices);
    this.firstLive = new int[matrices + 1];
    this.liveRowOf = new int[pattern.rows()];
    Arrays.fill(liveRowOf, -1);
    for (int live = 0; live < pattern.liveRows(); live++) {
      liveRowOf[pattern.row(live)] = live;
      firstLive[matrix(live) + 1] = live + 1;
    }
    for (int i = 1; i <= matrices; i++) {
      firstLive[i] = Math.max(firstLive[i], firstLive[i - 1]); // of a matrix whose rows are all off
    }
    this.byColumn = PatternColumns.of(pattern, matrices, loop);
    this.rowSpans = new Spans(pattern.indices(), groupStarts(), pattern.columns(), loop);
    this.columnSpans = new Spans(byColumn.rows(), byColumn.starts(), matrixRows, loop);
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
    return byColumn.rows();
  }

  int[] sourcesByColumn() {
    return byColumn.sources();
  }

  @Override
  public void close() {
    // The heap takes it back.
  }
}
