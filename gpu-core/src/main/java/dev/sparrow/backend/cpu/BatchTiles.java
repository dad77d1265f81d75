package dev.sparrow.backend.cpu;

import dev.sparrow.backend.HostPool;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/**
 * A matrix (rows, columns) of activations turned so that vectors run along its rows: tiles of
 * {@link #WIDTH} rows, each stored (columns, width), the last as many vectors wide as it needs, its
 * missing rows zero. A weight's non-zero then meets a whole vector of rows with one load.
 *
 * <p>Rows may come in groups, of which each meets a weight of its own: no tile then holds rows of
 * two, and each group has a last tile. A call of {@link #cut} says which rows there are; {@link
 * #pack} turns them a wave of tiles at a time, so that a product finds in a near cache what was
 * turned for it, however large the batch.
 */
final class BatchTiles {
  /** Rows of a tile: four vectors. */
  static final int WIDTH = 4 * Lanes.COUNT;

  /** Where a task's results begin in its {@link TaskScratch}, past what turning them needs. */
  static final int RESULTS = AlignedFloats.START + SquareTranspose.SCRATCH;

  /** Tiles turned at a time: with 1024 columns of 16 lanes 2 MiB, in the last cache. */
  private static final int WAVE = 8;

  /** Results of a tile that a task makes, with 16 lanes 16 to 64 KiB. */
  private static final int LEAST_RESULTS = 64;

  private static final int MOST_RESULTS = 256;

  /** Tasks for each thread, so that threads end together. */
  private static final int TASKS = 4;

  private static final int SIDE = SquareTranspose.SIDE;

  /** Columns that a task turns, a multiple of every vector's length. */
  private static final int COLUMN_BLOCK = 256;

  private final HostPool pool;
  private final TaskScratch scratch;
  private float[] values = {};
  private int columns;
  private int packed; // first tile of the wave that the values are of
  private int count;
  private int[] firstOf = {0, 0}; // first tile of each group and the end
  private int[] groups = {}; // of each tile
  private int[] firstRows = {}; // of each tile
  private int[] heights = {}; // of each tile
  private int[] places = {0}; // padded rows before each tile, and all

  BatchTiles(HostPool pool, TaskScratch scratch) {
    this.pool = pool;
    this.scratch = scratch;
  }

  /**
   * Of how many of a weight's rows, or columns, a task makes the results for one of the wave's
   * tiles: the more, the more often it finds the tile in its caches; each thread shall have some.
   */
  int resultsOfTask(int all, int first) {
    int even = (endOfWave(first) - first) * all / (TASKS * pool.threads());
    return Math.max(LEAST_RESULTS, Math.min(MOST_RESULTS, even / SIDE * SIDE));
  }

  /** A task's memory for the results of {@code columns} columns of a tile. */
  static float[] results(TaskScratch scratch, int columns) {
    return scratch.atLeast(SquareTranspose.SCRATCH + columns * WIDTH);
  }

  /** All rows of a matrix, one group. */
  BatchTiles cut(int rows) {
    count = 0;
    append(0, 0, rows);
    return this;
  }

  /**
   * Rows of several groups.
   *
   * @param offsets first row of each group and the end, from {@code first} on
   */
  BatchTiles cut(int[] offsets, int first, int groupCount) {
    count = 0;
    if (firstOf.length <= groupCount) {
      firstOf = new int[groupCount + 1];
    }
    for (int g = 0; g < groupCount; g++) {
      append(g, offsets[first + g], offsets[first + g + 1]);
    }
    return this;
  }

  private void append(int group, int from, int to) {
    firstOf[group] = count;
    for (int row = from; row < to; row += WIDTH) {
      if (count == groups.length) {
        grow();
      }
      groups[count] = group;
      firstRows[count] = row;
      heights[count] = Math.min(WIDTH, to - row);
      int vectors = (heights[count] + Lanes.COUNT - 1) / Lanes.COUNT;
      places[count + 1] = places[count] + vectors * Lanes.COUNT;
      count++;
    }
    firstOf[group + 1] = count;
  }

  private void grow() {
    int tiles = Math.max(16, 2 * count);
    groups = Arrays.copyOf(groups, tiles);
    firstRows = Arrays.copyOf(firstRows, tiles);
    heights = Arrays.copyOf(heights, tiles);
    places = Arrays.copyOf(places, tiles + 1);
  }

  /** First tile behind the wave that begins with this one. */
  int endOfWave(int first) {
    return Math.min(count, first + WAVE);
  }

  /**
   * Turns the rows of a wave's tiles, in place of the wave before.
   *
   * @param x row-major
   * @param first the wave's first tile
   */
  void pack(Tensor x, int first) {
    float[] xs = HeapStorage.floats(x);
    int x0 = HeapStorage.offset(x);
    int tiles = endOfWave(first) - first;
    columns = x.columns();
    packed = first;
    values =
        AlignedFloats.atLeast(values, (long) (places[first + tiles] - places[first]) * columns);
    int blocks = (columns + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
    pool.forEach(
        tiles * blocks,
        task -> {
          int from = task % blocks * COLUMN_BLOCK;
          int to = Math.min(columns, from + COLUMN_BLOCK);
          packTile(xs, x0, first + task / blocks, from, to);
        });
  }

  private void packTile(float[] x, int x0, int tile, int from, int to) {
    int width = width(tile);
    int height = height(tile);
    int first = x0 + firstRow(tile) * columns;
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

  /** Tiles. */
  int count() {
    return count;
  }

  /** First tile of a group; that of the next is the end. */
  int firstOf(int group) {
    return firstOf[group];
  }

  /** Whose rows a tile holds. */
  int group(int tile) {
    return groups[tile];
  }

  /** Row of the matrix that is a tile's first. */
  int firstRow(int tile) {
    return firstRows[tile];
  }

  /** Rows of a tile, those missing included: whole vectors. */
  int width(int tile) {
    return places[tile + 1] - places[tile];
  }

  /** Rows of a tile that the matrix has. */
  int height(int tile) {
    return heights[tile];
  }

  /** Of the tiles of a wave. */
  float[] values() {
    return values;
  }

  /** First element of a tile of the wave. */
  int at(int tile) {
    return AlignedFloats.START + (places[tile] - places[packed]) * columns;
  }
}
