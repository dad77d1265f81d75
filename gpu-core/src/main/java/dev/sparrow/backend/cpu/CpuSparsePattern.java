package dev.sparrow.backend.cpu;

import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import java.util.Arrays;

/** A pattern with the view of its transpose: for each column its rows, in ascending order. */
final class CpuSparsePattern implements SparsePattern {
  private final UniformPattern pattern;
  private final int[] liveRowOf; // (rows), -1 where the row is off
  private final int[] starts; // (columns + 1)
  private final int[] rows; // (non-zeros) by column
  private final int[] sources; // (non-zeros) by column: where its value lies
  private final Spans rowSpans; // of each live group's columns
  private final Spans columnSpans; // of each column's rows

  CpuSparsePattern(UniformPattern pattern) {
    this.pattern = pattern;
    int nonZeros = Math.toIntExact(pattern.nonZeros());
    this.liveRowOf = new int[pattern.rows()];
    Arrays.fill(liveRowOf, -1);
    this.starts = new int[pattern.columns() + 1];
    this.rows = new int[nonZeros];
    this.sources = new int[nonZeros];
    countColumns();
    sortByColumn();
    this.rowSpans = new Spans(pattern.indices(), groupStarts(), pattern.columns());
    this.columnSpans = new Spans(rows, starts, pattern.rows());
  }

  private void countColumns() {
    int[] indices = pattern.indices();
    for (int index : indices) {
      starts[index + 1] += pattern.groupRows();
    }
    for (int c = 0; c < pattern.columns(); c++) {
      starts[c + 1] += starts[c];
    }
  }

  /** A counting sort; rows come in order, so each column's are ascending. */
  private void sortByColumn() {
    int[] next = Arrays.copyOf(starts, pattern.columns());
    int[] indices = pattern.indices();
    for (int live = 0; live < pattern.liveRows(); live++) {
      int row = pattern.row(live);
      liveRowOf[row] = live;
      int start = pattern.start(live);
      for (int i = 0; i < pattern.fanIn(); i++) {
        int at = next[indices[start + i]]++;
        rows[at] = row;
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
