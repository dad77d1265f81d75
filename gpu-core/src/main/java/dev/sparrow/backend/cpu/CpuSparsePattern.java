package dev.sparrow.backend.cpu;

import dev.sparrow.backend.PatternColumns;
import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import java.util.Arrays;

/** A pattern with the view of its transpose: for each column its rows, in ascending order. */
final class CpuSparsePattern implements SparsePattern {
  private final UniformPattern pattern;
  private final int[] liveRowOf; // (rows), -1 where the row is off
  private final PatternColumns byColumn;
  private final Spans rowSpans; // of each live group's columns
  private final Spans columnSpans; // of each column's rows

  CpuSparsePattern(UniformPattern pattern) {
    this.pattern = pattern;
    this.liveRowOf = new int[pattern.rows()];
    Arrays.fill(liveRowOf, -1);
    for (int live = 0; live < pattern.liveRows(); live++) {
      liveRowOf[pattern.row(live)] = live;
    }
    this.byColumn = PatternColumns.of(pattern);
    this.rowSpans = new Spans(pattern.indices(), groupStarts(), pattern.columns());
    this.columnSpans = new Spans(byColumn.rows(), byColumn.starts(), pattern.rows());
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

  /** Row of the values that belongs to a row of the matrix, or -1 where the row is off. */
  int liveRow(int row) {
    return liveRowOf[row];
  }

  /** The columns of each live group in {@link UniformPattern#indices}, cut. */
  Spans rowSpans() {
    return rowSpans;
  }

  /** The rows of each column in {@link #rowsByColumn}, cut. */
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
