package dev.sparrow.sparsity.uniform;

import java.util.Arrays;

/**
 * The largest scores of a row, bank by bank. Of equal scores the lower column comes first, so that
 * every rank, whatever its threads, chooses the same.
 */
final class TopColumns {
  private final long[] ranked;

  TopColumns(int mostColumns) {
    this.ranked = new long[mostColumns];
  }

  /**
   * @param scores from {@code from} on, not negative, no NaN
   * @param count columns wanted, at most {@code columns}
   * @param firstColumn number of the first column
   * @param out takes the columns, ascending, from {@code to} on
   */
  void choose(
      float[] scores, int from, int columns, int count, int firstColumn, int[] out, int to) {
    for (int c = 0; c < columns; c++) {
      // Bits of floats that are not negative are in order; a lower column has the larger low half.
      long bits = Float.floatToIntBits(scores[from + c] + 0f);
      ranked[c] = bits << Integer.SIZE | (Integer.MAX_VALUE - c);
    }
    Arrays.sort(ranked, 0, columns);
    for (int i = 0; i < count; i++) {
      out[to + i] = firstColumn + Integer.MAX_VALUE - (int) ranked[columns - 1 - i];
    }
    Arrays.sort(out, to, to + count);
  }
}
