package dev.sparrow.backend.cpu;

import dev.sparrow.backend.HostPool;
import java.util.Arrays;

/**
 * The tiles of one or more products' outputs, run as one parallel loop, largest first, so that the
 * last tiles to finish are small ones. The list of tiles is kept from call to call; it grows to the
 * largest call and then allocates nothing.
 */
final class GemmTiles {
  /** What a tile computes. */
  @FunctionalInterface
  interface Body {
    /**
     * @param group which product
     * @param row first row of the tile, {@code rows} of them
     * @param column first column of the tile, {@code columns} of them
     */
    void run(int group, int row, int rows, int column, int columns);

    /** Both on each tile, one after the other. */
    default Body then(Body next) {
      return (group, row, rows, column, columns) -> {
        run(group, row, rows, column, columns);
        next.run(group, row, rows, column, columns);
      };
    }
  }

  /** Tile edges are multiples of the widest micro-kernel of OpenBLAS. */
  private static final int ALIGNMENT = 16;

  /** Multiply-adds below which a tile is not worth waking a thread for, about 10 µs. */
  private static final long SMALLEST_TILE = 1 << 19;

  private static final int FIELDS = 5;

  private final HostPool pool;
  private int count;
  private int[] tiles = new int[64 * FIELDS];
  private long[] order = new long[64];

  GemmTiles(HostPool pool) {
    this.pool = pool;
  }

  /** Forgets all tiles. */
  GemmTiles clear() {
    count = 0;
    return this;
  }

  /**
   * How many tiles a product of {@code work} multiply-adds is best cut into.
   *
   * @param perThread tiles per thread: more of them balance unequal products, fewer run faster
   */
  int pieces(long work, int perThread) {
    if (pool.threads() == 1) {
      return 1;
    }
    return (int) Math.max(1, Math.min((long) pool.threads() * perThread, work / SMALLEST_TILE));
  }

  /**
   * Adds the tiles of one product's (rows, columns) output, whose rows begin at {@code firstRow}.
   *
   * @param depth the summed dimension
   * @param pieces tiles wanted; fewer where they would be narrower than the alignment
   */
  GemmTiles add(int group, int firstRow, int rows, int columns, int depth, int pieces) {
    int rowParts = rowParts(rows, columns, pieces);
    int columnParts = pieces / rowParts;
    for (int i = 0; i < rowParts; i++) {
      int top = edge(rows, rowParts, i);
      int height = edge(rows, rowParts, i + 1) - top;
      for (int j = 0; j < columnParts; j++) {
        int left = edge(columns, columnParts, j);
        int width = edge(columns, columnParts, j + 1) - left;
        if (height > 0 && width > 0) {
          append(group, firstRow + top, height, left, width, (long) height * width * depth);
        }
      }
    }
    return this;
  }

  /** Runs all tiles and returns when they are done. */
  void run(Body body) {
    Arrays.sort(order, 0, count);
    int last = count - 1;
    pool.forEach(count, task -> run(body, (int) order[last - task] * FIELDS));
  }

  private void run(Body body, int at) {
    body.run(tiles[at], tiles[at + 1], tiles[at + 2], tiles[at + 3], tiles[at + 4]);
  }

  /**
   * Rows of the grid of {@code pieces} tiles that reads the least: a tile of m by n reads (m +
   * n)·depth elements.
   */
  static int rowParts(int rows, int columns, int pieces) {
    int best = 1;
    double least = Double.MAX_VALUE;
    for (int parts = 1; parts <= pieces; parts++) {
      if (pieces % parts != 0) {
        continue;
      }
      double reads = (double) rows / parts + (double) columns * parts / pieces;
      if (reads < least) {
        least = reads;
        best = parts;
      }
    }
    return best;
  }

  private static int edge(int length, int parts, int i) {
    if (i == parts) {
      return length;
    }
    int edge = (int) ((long) length * i / parts);
    return Math.min(length, (edge + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
  }

  private void append(int group, int row, int rows, int column, int columns, long work) {
    if (count == order.length) {
      order = Arrays.copyOf(order, 2 * count);
      tiles = Arrays.copyOf(tiles, 2 * count * FIELDS);
    }
    // Sorted by work; the low half is the tile's number. Work is scaled down to fit the high half.
    order[count] = Math.min(Integer.MAX_VALUE, work >>> 8) << Integer.SIZE | count;
    int at = count * FIELDS;
    tiles[at] = group;
    tiles[at + 1] = row;
    tiles[at + 2] = rows;
    tiles[at + 3] = column;
    tiles[at + 4] = columns;
    count++;
  }
}
