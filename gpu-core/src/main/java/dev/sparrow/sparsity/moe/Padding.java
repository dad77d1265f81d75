package dev.sparrow.sparsity.moe;

/** How many rows each expert is given, at least as many as it needs. */
public interface Padding {
  /**
   * @param starts first row of each expert and the end, E + 1 values
   * @param padded the same with padding, assigned
   */
  void pad(int[] starts, int[] padded);

  /** The most padded rows for {@code rows} rows over {@code experts} experts, any load. */
  int bound(int rows, int experts);

  /**
   * Every expert gets as many rows as the largest load, as a batched GEMM wants it: E·max rows. A
   * token chooses an expert at most once, so the worst load is T = rows / k, and the bound E·T.
   */
  static Padding toMaximum(int topK) {
    return new Padding() {
      @Override
      public void pad(int[] starts, int[] padded) {
        int largest = 0;
        for (int e = 0; e + 1 < starts.length; e++) {
          largest = Math.max(largest, starts[e + 1] - starts[e]);
        }
        for (int e = 0; e < starts.length; e++) {
          padded[e] = e * largest;
        }
      }

      @Override
      public int bound(int rows, int experts) {
        return Math.multiplyExact(experts, rows / topK);
      }
    };
  }

  /**
   * Every expert's rows are rounded up to whole blocks, as block-sparse products want it; one
   * without rows gets none. At most {@code block·(rows / block + E)} rows, known before routing.
   */
  static Padding toMultiple(int block) {
    return new Padding() {
      @Override
      public void pad(int[] starts, int[] padded) {
        padded[0] = 0;
        for (int e = 0; e + 1 < starts.length; e++) {
          int rows = starts[e + 1] - starts[e];
          padded[e + 1] = padded[e] + (rows + block - 1) / block * block;
        }
      }

      @Override
      public int bound(int rows, int experts) {
        return Math.multiplyExact(block, rows / block + Math.min(experts, rows));
      }
    };
  }
}
