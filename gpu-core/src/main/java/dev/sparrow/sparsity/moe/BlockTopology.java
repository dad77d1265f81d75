package dev.sparrow.sparsity.moe;

/**
 * Which blocks of the hidden activations (P, E·F) are not zero (Gale et al. 2022, §5.1.3): block
 * row r belongs to one expert e(r) and holds that expert's C = F / block columns of blocks. Blocks
 * are numbered row by row (compressed rows, the row of each kept too), so that block {@code r·C +
 * j} lies at row r, column {@code e(r)·C + j}.
 *
 * <p>The transposed view lists the blocks column by column. Its order follows in closed form, so
 * nothing is sorted: the n_e block rows of expert e start at r0, all earlier rows fill C·r0 slots,
 * and each of the expert's columns takes n_e more.
 */
public final class BlockTopology {
  private final int block;
  private final int columns;
  private final int[] offsets;
  private final int[] columnIndices;
  private final int[] rowIndices;
  private final int[] transposedOffsets;
  private final int[] transposedBlocks;

  /**
   * @param starts first row of each expert and the end, E + 1 multiples of block
   * @param hidden columns F inside each expert, a multiple of block
   * @param block rows and columns of a block
   */
  public BlockTopology(int[] starts, int hidden, int block) {
    if (block < 1 || hidden % block != 0) {
      throw new IllegalArgumentException(
          "topology: expected hidden to be a multiple of block, got " + hidden + " and " + block);
    }
    int experts = starts.length - 1;
    this.block = block;
    this.columns = hidden / block;
    int rows = requireMultiple(starts[experts], block) / block;
    int blocks = Math.multiplyExact(rows, columns);
    this.offsets = new int[rows + 1];
    this.columnIndices = new int[blocks];
    this.rowIndices = new int[blocks];
    this.transposedOffsets = new int[experts * columns + 1];
    this.transposedBlocks = new int[blocks];
    for (int e = 0; e < experts; e++) {
      int first = requireMultiple(starts[e], block) / block;
      fill(e, first, starts[e + 1] / block);
    }
    offsets[rows] = blocks;
    transposedOffsets[experts * columns] = blocks;
  }

  private static int requireMultiple(int start, int block) {
    if (start % block != 0) {
      throw new IllegalArgumentException(
          "topology: expected experts to start at multiples of " + block + ", got " + start);
    }
    return start;
  }

  private void fill(int expert, int first, int end) {
    for (int r = first; r < end; r++) {
      offsets[r] = r * columns;
      for (int j = 0; j < columns; j++) {
        columnIndices[r * columns + j] = expert * columns + j;
        rowIndices[r * columns + j] = r;
      }
    }
    for (int j = 0; j < columns; j++) {
      int start = columns * first + j * (end - first);
      transposedOffsets[expert * columns + j] = start;
      for (int m = 0; m < end - first; m++) {
        transposedBlocks[start + m] = (first + m) * columns + j;
      }
    }
  }

  /** Rows and columns of a block. */
  public int block() {
    return block;
  }

  /** Block rows R = P / block. */
  public int rows() {
    return offsets.length - 1;
  }

  /** Block columns E·C. */
  public int allColumns() {
    return transposedOffsets.length - 1;
  }

  /** Blocks that are not zero. */
  public int blocks() {
    return columnIndices.length;
  }

  /** First block of each block row, R + 1. */
  public int[] offsets() {
    return offsets;
  }

  /** Block column of each block. */
  public int[] columnIndices() {
    return columnIndices;
  }

  /** Block row of each block. */
  public int[] rowIndices() {
    return rowIndices;
  }

  /** First slot of each block column in {@link #transposedBlocks}, E·C + 1. */
  public int[] transposedOffsets() {
    return transposedOffsets;
  }

  /** The blocks column by column, within a column by row. */
  public int[] transposedBlocks() {
    return transposedBlocks;
  }
}
