package dev.sparrow.spark.report;

/**
 * A picture of where a matrix has non-zeros: at most 128 by 128 cells, each with its share of them.
 *
 * @param height cells from top to bottom, over all rows
 * @param width cells from left to right, over all columns
 * @param densest the largest share of non-zeros in a cell
 * @param cells (height, width) shares, 255 for the densest; JSON holds them as Base64
 */
public record PatternImage(int height, int width, double densest, byte[] cells) {
  private static final int MOST_CELLS = 128;

  /**
   * @param places of the non-zeros, each {@code row·columns + column}
   */
  static PatternImage of(int rows, int columns, int[] places) {
    int height = Math.min(rows, MOST_CELLS);
    int width = Math.min(columns, MOST_CELLS);
    double[] shares = new double[height * width];
    for (int place : places) {
      shares[cell(place / columns, rows, height) * width + cell(place % columns, columns, width)]++;
    }
    double densest = 0;
    for (int i = 0; i < shares.length; i++) {
      shares[i] /= (double) length(i / width, rows, height) * length(i % width, columns, width);
      densest = Math.max(densest, shares[i]);
    }
    return new PatternImage(height, width, densest, scaled(shares, densest));
  }

  /** The cell that a row or column lies in. */
  private static int cell(int index, int size, int cells) {
    return (int) ((long) index * cells / size);
  }

  /** Rows or columns of a cell. */
  private static int length(int cell, int size, int cells) {
    return firstOf(cell + 1, size, cells) - firstOf(cell, size, cells);
  }

  /** The smallest index with {@code cell(index) >= cell}. */
  private static int firstOf(int cell, int size, int cells) {
    return (int) (((long) cell * size + cells - 1) / cells);
  }

  private static byte[] scaled(double[] shares, double densest) {
    byte[] cells = new byte[shares.length];
    for (int i = 0; i < cells.length; i++) {
      cells[i] = (byte) Math.round(densest == 0 ? 0 : 255 * shares[i] / densest);
    }
    return cells;
  }
}
