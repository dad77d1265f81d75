package dev.sparrow.backend;

import java.util.Arrays;
import java.util.Objects;

/**
 * Which elements of a matrix (rows, columns) may differ from zero: the same number, its fan-in, in
 * every row (Muralidharan, MLSys 2023). No row pointers are needed and all rows cost the same.
 *
 * <p>Rows come in groups that share one list of columns; a group of one row is the plain format. A
 * group may be switched off: its rows hold nothing. Values lie beside the pattern as a matrix
 * (liveRows, fanIn), the rows of the live groups in order.
 *
 * <p>Immutable; the arrays given are kept and must not change.
 */
public final class UniformPattern {
  private final int rows;
  private final int columns;
  private final int fanIn;
  private final int groupRows;
  private final int bankColumns;
  private final int[] liveGroups;
  private final int[] indices;

  /**
   * @param fanIn non-zeros of a live row, 1 to columns
   * @param groupRows rows that share their columns, a divisor of rows
   * @param bankColumns columns of a bank, each of which holds the same number of a row's non-zeros;
   *     {@code columns} where they may lie anywhere
   * @param liveGroups numbers of the groups that hold non-zeros, ascending
   * @param indices (liveGroups, fanIn) columns, ascending in each group
   * @throws IllegalArgumentException where one of these does not hold
   */
  public UniformPattern(
      int rows,
      int columns,
      int fanIn,
      int groupRows,
      int bankColumns,
      int[] liveGroups,
      int[] indices) {
    this.rows = rows;
    this.columns = columns;
    this.fanIn = fanIn;
    this.groupRows = groupRows;
    this.bankColumns = bankColumns;
    this.liveGroups = liveGroups;
    this.indices = indices;
    requireSizes();
    requireGroups();
    for (int group = 0; group < liveGroups.length; group++) {
      requireColumns(group);
    }
  }

  /** A pattern of single rows, all of them live, with columns anywhere. */
  public static UniformPattern ofRows(int rows, int columns, int fanIn, int[] indices) {
    return new UniformPattern(rows, columns, fanIn, 1, columns, allGroups(rows), indices);
  }

  /** The numbers 0 to count - 1: no group is switched off. */
  public static int[] allGroups(int count) {
    int[] all = new int[count];
    Arrays.setAll(all, i -> i);
    return all;
  }

  private void requireSizes() {
    require(rows >= 1 && columns >= 1, "at least one row and column", rows + " by " + columns);
    require(fanIn >= 1 && fanIn <= columns, "a fan-in of 1 to " + columns, "" + fanIn);
    require(
        groupRows >= 1 && rows % groupRows == 0,
        "group rows that divide " + rows + " rows",
        "" + groupRows);
    require(
        bankColumns >= 1 && columns % bankColumns == 0 && fanIn % banks() == 0,
        "bank columns that divide " + columns + " columns, and a fan-in of whole banks",
        bankColumns + " bank columns, fan-in " + fanIn);
    require(
        indices.length == (long) liveGroups.length * fanIn,
        "indices of " + liveGroups.length + " groups of " + fanIn,
        "" + indices.length);
  }

  private void requireGroups() {
    int before = -1;
    for (int group : liveGroups) {
      require(
          group > before && group < rows / groupRows,
          "live groups that rise from 0 to " + (rows / groupRows - 1),
          group + " after " + before);
      before = group;
    }
  }

  private void requireColumns(int group) {
    int perBank = fanIn / banks();
    int before = -1;
    for (int i = 0; i < fanIn; i++) {
      int column = indices[group * fanIn + i];
      int bank = i / perBank;
      boolean inBank = column >= bank * bankColumns && column < (bank + 1) * bankColumns;
      if (column <= before || !inBank) {
        throw new IllegalArgumentException(
            "pattern: expected ascending columns of row %d, number %d in [%d, %d), got %d after %d"
                .formatted(
                    liveGroups[group] * groupRows,
                    i,
                    bank * bankColumns,
                    (bank + 1) * bankColumns,
                    column,
                    before));
      }
      before = column;
    }
  }

  private static void require(boolean holds, String expected, String got) {
    if (!holds) {
      throw new IllegalArgumentException("pattern: expected " + expected + ", got " + got);
    }
  }

  public int rows() {
    return rows;
  }

  public int columns() {
    return columns;
  }

  /** Non-zeros of a live row. */
  public int fanIn() {
    return fanIn;
  }

  /** Rows that share their columns. */
  public int groupRows() {
    return groupRows;
  }

  /** Columns of a bank; {@link #columns} where non-zeros may lie anywhere in their row. */
  public int bankColumns() {
    return bankColumns;
  }

  public int banks() {
    return columns / bankColumns;
  }

  /** Groups that hold non-zeros. */
  public int liveGroups() {
    return liveGroups.length;
  }

  /** Rows that hold non-zeros; the rows of the values. */
  public int liveRows() {
    return liveGroups.length * groupRows;
  }

  /** Elements of the values. */
  public long nonZeros() {
    return (long) liveRows() * fanIn;
  }

  /** Share of the matrix that is zero. */
  public double sparsity() {
    return 1 - (double) nonZeros() / ((double) rows * columns);
  }

  /**
   * Rows of each of {@code matrices} equal ones that are stacked, (matrices·out, in).
   *
   * @throws IllegalArgumentException where the rows are not so many times whole groups
   */
  public int rowsOfEach(int matrices) {
    require(
        matrices >= 1 && rows % (matrices * (long) groupRows) == 0,
        "rows in groups of " + groupRows + " for each of " + matrices + " stacked matrices",
        rows + " rows");
    return rows / matrices;
  }

  /** Row of the matrix behind a row of the values. */
  public int row(int liveRow) {
    return liveGroups[liveRow / groupRows] * groupRows + liveRow % groupRows;
  }

  /** First of the columns of a row of the values, in {@link #indices}. */
  public int start(int liveRow) {
    return liveRow / groupRows * fanIn;
  }

  /** Where each value lies in the matrix: {@code row·columns + column}. */
  public int[] places() {
    int[] places = new int[Math.toIntExact(nonZeros())];
    for (int live = 0, at = 0; live < liveRows(); live++) {
      for (int i = 0; i < fanIn; i++, at++) {
        places[at] = row(live) * columns + indices[start(live) + i];
      }
    }
    return places;
  }

  /** Numbers of the live groups, ascending; not to be changed. */
  public int[] liveGroupNumbers() {
    return liveGroups;
  }

  /** (liveGroups, fanIn) columns; not to be changed. */
  public int[] indices() {
    return indices;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof UniformPattern that
        && rows == that.rows
        && columns == that.columns
        && fanIn == that.fanIn
        && groupRows == that.groupRows
        && bankColumns == that.bankColumns
        && Arrays.equals(liveGroups, that.liveGroups)
        && Arrays.equals(indices, that.indices);
  }

  @Override
  public int hashCode() {
    return Objects.hash(
        rows,
        columns,
        fanIn,
        groupRows,
        bankColumns,
        Arrays.hashCode(liveGroups),
        Arrays.hashCode(indices));
  }

  @Override
  public String toString() {
    return "%d of %d in each of %d rows".formatted(fanIn, columns, liveRows())
        + (groupRows > 1 ? ", shared by " + groupRows : "")
        + (bankColumns < columns ? ", by banks of " + bankColumns : "")
        + (liveRows() < rows ? ", " + (rows - liveRows()) + " rows off" : "");
  }
}
