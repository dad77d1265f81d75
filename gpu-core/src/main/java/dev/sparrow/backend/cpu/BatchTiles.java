package dev.sparrow.backend.cpu;

/**
 * A matrix (rows, columns) of activations turned so that vectors run along its rows: tiles of
 * {@link #WIDTH} rows, each stored (columns, width), the last as many vectors wide as it needs, its
 * missing rows zero. A weight's non-zero then meets a whole vector of rows with one load.
 */
final class BatchTiles {
  /** Rows of a tile: four vectors. */
  static final int WIDTH = 4 * Lanes.COUNT;

  /** Where a task's results begin in its {@link TaskScratch}, past what turning them needs. */
  static final int RESULTS = AlignedFloats.START + SquareTranspose.SCRATCH;

  private static final int SIDE = SquareTranspose.SIDE;

  /** Columns that a task turns, a multiple of every vector's length. */
  private static final int COLUMN_BLOCK = 256;

  private final CpuPool pool;
  private final TaskScratch scratch;
  private float[] values = {};
  private int rows;
  private int columns;

  BatchTiles(CpuPool pool, TaskScratch scratch) {
    this.pool = pool;
    this.scratch = scratch;
  }

  /** A task's memory for the results of {@code columns} columns of a tile. */
  static float[] results(TaskScratch scratch, int columns) {
    return scratch.atLeast(SquareTranspose.SCRATCH + columns * WIDTH);
  }

  /** Turns a row-major matrix. */
  void pack(float[] x, int x0, int matrixRows, int matrixColumns) {
    rows = matrixRows;
    columns = matrixColumns;
    values = AlignedFloats.atLeast(values, (long) paddedRows() * columns);
    int blocks = (columns + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
    pool.forEach(
        count() * blocks,
        task -> {
          int from = task % blocks * COLUMN_BLOCK;
          packTile(x, x0, task / blocks, from, Math.min(columns, from + COLUMN_BLOCK));
        });
  }

  private void packTile(float[] x, int x0, int tile, int from, int to) {
    int width = width(tile);
    int height = height(tile);
    int first = x0 + tile * WIDTH * columns;
    float[] square = scratch.atLeast(SquareTranspose.SCRATCH);
    for (int row = 0; row < width; row += SIDE) {
      int source = first + row * columns;
      int target = at(tile) + row;
      boolean whole = row + SIDE <= height && from + SIDE <= to;
      for (int c = from; whole && c < to; c = nextSquare(source, c, to)) {
        SquareTranspose.turn(
            x,
            source + c,
            columns,
            false,
            values,
            target + c * width,
            width,
            square,
            AlignedFloats.START);
      }
      for (int r = 0; r < SIDE && !whole; r++) {
        packRow(x, source + r * columns, row + r < height, target + r, width, from, to);
      }
    }
  }

  /**
   * Column of the square after that at c: the next whose loads do not straddle cache lines, given
   * an array as {@link AlignedFloats} has them; the last overlaps the one before, so that there is
   * no rest. Columns are turned twice then, to the same end.
   */
  private static int nextSquare(int source, int c, int to) {
    if (c + SIDE == to) {
      return to;
    }
    int past = Math.floorMod(source + c - AlignedFloats.START, SIDE);
    return Math.min(c + SIDE - past, to - SIDE);
  }

  private void packRow(float[] x, int x0, boolean there, int target, int width, int from, int to) {
    for (int c = from; c < to; c++) {
      values[target + c * width] = there ? x[x0 + c] : 0;
    }
  }

  /**
   * Turns a task's results back into a row-major matrix, {@code y =} or {@code +=}.
   *
   * @param task {@link #results}, of which (columns, width) from {@link #RESULTS} are turned
   * @param height rows that the matrix has of the tile
   * @param y0 where the tile's first row of these columns begins in y
   * @param stride elements from a row of y to the next
   */
  static void unpack(
      float[] task,
      int width,
      int height,
      int columns,
      boolean accumulate,
      float[] y,
      int y0,
      int stride) {
    for (int row = 0; row < height; row += SIDE) {
      int source = RESULTS + row;
      int target = y0 + row * stride;
      int c = 0;
      for (; row + SIDE <= height && c + SIDE <= columns; c += SIDE) {
        SquareTranspose.turn(
            task,
            source + c * width,
            width,
            accumulate,
            y,
            target + c,
            stride,
            task,
            AlignedFloats.START);
      }
      for (int r = 0; r < SIDE && row + r < height; r++) {
        unpackRow(task, source + r, width, accumulate, y, target + r * stride, c, columns);
      }
    }
  }

  private static void unpackRow(
      float[] task,
      int source,
      int width,
      boolean accumulate,
      float[] y,
      int y0,
      int from,
      int to) {
    for (int c = from; c < to; c++) {
      float value = task[source + c * width];
      y[y0 + c] = accumulate ? y[y0 + c] + value : value;
    }
  }

  private int paddedRows() {
    return rows == 0 ? 0 : (count() - 1) * WIDTH + width(count() - 1);
  }

  /** Tiles. */
  int count() {
    return (rows + WIDTH - 1) / WIDTH;
  }

  /** Rows of a tile, those missing included: whole vectors. */
  int width(int tile) {
    int left = rows - tile * WIDTH;
    return left >= WIDTH ? WIDTH : (left + Lanes.COUNT - 1) / Lanes.COUNT * Lanes.COUNT;
  }

  /** Rows of a tile that the matrix has. */
  int height(int tile) {
    return Math.min(WIDTH, rows - tile * WIDTH);
  }

  float[] values() {
    return values;
  }

  /** First element of a tile. */
  int at(int tile) {
    return AlignedFloats.START + tile * WIDTH * columns;
  }
}
