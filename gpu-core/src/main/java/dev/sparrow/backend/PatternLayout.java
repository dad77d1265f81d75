package dev.sparrow.backend;

import dev.sparrow.tensor.Shape;

/**
 * What is known of a matrix's {@link UniformPattern} before its non-zeros are: the matrix, and how
 * rows and columns are bundled.
 *
 * @param matrix the dense shape, (out, in); (experts, out, in) where experts share one pattern of
 *     experts·out rows
 * @param groupRows rows that share their columns
 * @param bankColumns columns of a bank; {@code in} where non-zeros may lie anywhere
 */
public record PatternLayout(Shape matrix, int groupRows, int bankColumns) {
  public PatternLayout {
    boolean holds =
        matrix.rank() >= 2
            && matrix.size() > 0
            && groupRows >= 1
            && matrix.rows() % groupRows == 0
            && bankColumns >= 1
            && matrix.columns() % bankColumns == 0;
    if (!holds) {
      throw new IllegalArgumentException(
          "pattern: expected a matrix that groups of rows and banks of columns divide, got %s, %d rows a group, %d columns a bank"
              .formatted(matrix, groupRows, bankColumns));
    }
  }

  public int groups() {
    return matrix.rows() / groupRows;
  }

  public int banks() {
    return matrix.columns() / bankColumns;
  }

  /** A pattern of this layout; see there for what is refused. */
  public UniformPattern pattern(int fanIn, int[] liveGroups, int[] indices) {
    return new UniformPattern(
        matrix.rows(), matrix.columns(), fanIn, groupRows, bankColumns, liveGroups, indices);
  }
}
