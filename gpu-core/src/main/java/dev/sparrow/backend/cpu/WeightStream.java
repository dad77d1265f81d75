package dev.sparrow.backend.cpu;

/**
 * Brings an expert's weight into the cache, a block of rows at a time, just before the product that
 * uses it.
 *
 * <p>With many experts every weight comes from memory once per product and serves few rows.
 * OpenBLAS packs it with dependent, narrow reads and waits for each line; reading one element of
 * every line first keeps many lines in flight. With 64 experts of (1024, 256) and 64 to 128 rows
 * each, products go from 57-82% to 79-94% of the large-sgemm rate.
 */
final class WeightStream {
  /** Elements of a block: 256 KB, half of the smallest second-level cache in use. */
  private static final int BLOCK = 1 << 16;

  /** Rows of the other operand from which the weight's own reads no longer matter. */
  private static final int ENOUGH_ROWS = 512;

  private static final int LINE = 16;

  /** Written so that the compiler keeps the reads; never read. */
  private static float sink;

  private WeightStream() {}

  /** Weight rows that a product with {@code m} rows should take at a time. */
  static int blockRows(int m, int weightRows, int columns) {
    return m >= ENOUGH_ROWS ? weightRows : Math.max(1, Math.min(weightRows, BLOCK / columns));
  }

  /** Reads a line at a time: {@code columns} elements of each of {@code rows} rows. */
  static void read(float[] w, int at, int rows, int columns, int stride) {
    float even = 0;
    float odd = 0;
    for (int r = 0; r < rows; r++, at += stride) {
      int end = at + columns;
      int i = at;
      for (; i < end - LINE; i += 2 * LINE) {
        even += w[i];
        odd += w[i + LINE];
      }
      if (i < end) {
        even += w[i];
      }
    }
    sink = even + odd;
  }
}
