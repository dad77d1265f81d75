package dev.sparrow.backend.cpu;

/**
 * A matrix (rows, columns) of activations turned so that vectors run along its rows: tiles of
 * {@link #WIDTH} rows, each stored (columns, width), the last as many vectors wide as it needs, its
 * missing rows zero. A weight's non-zero then meets a whole vector of rows with one load.
 *
 * <p>Vectors start at a cache line where the collector lets them: the array is large enough for G1
 * to place it at the start of a region, where it stays, and the tiles begin past the array's
 * header. Loads that straddle two lines took 1.5 times as long (AVX-512, rows of the plain format).
 */
final class BatchTiles {
  /** Rows of a tile: four vectors. */
  static final int WIDTH = 4 * Lanes.COUNT;

  /** Elements from the array's first to the next cache line, past its header of 16 bytes. */
  private static final int START = 12;

  /** 16 MiB: half of G1's largest region, from where an object has regions of its own. */
  private static final int LEAST_FLOATS = 1 << 22;

  /** Columns that a task turns. */
  private static final int COLUMN_BLOCK = 256;

  private final CpuPool pool;
  private float[] values = {};
  private int rows;
  private int columns;

  BatchTiles(CpuPool pool) {
    this.pool = pool;
  }

  /** An array of which {@link #START} and what follows is aligned as told above. */
  static float[] atLeast(float[] held, long floats) {
    if (held.length >= START + floats) {
      return held;
    }
    return new float[Math.toIntExact(Math.max(LEAST_FLOATS, START + floats))];
  }

  /** First element of an array of {@link #atLeast} to use. */
  static int start() {
    return START;
  }

  /** Turns a row-major matrix. */
  void pack(float[] x, int x0, int matrixRows, int matrixColumns) {
    rows = matrixRows;
    columns = matrixColumns;
    values = atLeast(values, (long) paddedRows() * columns);
    int blocks = (columns + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
    pool.forEach(
        count() * blocks,
        task -> {
          int tile = task / blocks;
          int from = task % blocks * COLUMN_BLOCK;
          packTile(x, x0, tile, from, Math.min(columns, from + COLUMN_BLOCK));
        });
  }

  private void packTile(float[] x, int x0, int tile, int from, int to) {
    int width = width(tile);
    int first = tile * WIDTH;
    int height = Math.min(WIDTH, rows - first);
    int row = 0;
    for (; row + 8 <= height; row += 8) {
      packEight(x, x0 + (first + row) * columns, columns, values, at(tile) + row, width, from, to);
    }
    for (; row < width; row++) {
      boolean missing = row >= height;
      int source = missing ? 0 : x0 + (first + row) * columns;
      for (int c = from, target = at(tile) + from * width + row; c < to; c++, target += width) {
        values[target] = missing ? 0 : x[source + c];
      }
    }
  }

  private static void packEight(
      float[] x, int x0, int stride, float[] out, int out0, int width, int from, int to) {
    for (int c = from; c < to; c++) {
      int source = x0 + c;
      int target = out0 + c * width;
      out[target] = x[source];
      out[target + 1] = x[source += stride];
      out[target + 2] = x[source += stride];
      out[target + 3] = x[source += stride];
      out[target + 4] = x[source += stride];
      out[target + 5] = x[source += stride];
      out[target + 6] = x[source += stride];
      out[target + 7] = x[source + stride];
    }
  }

  /**
   * Turns columns [from, to) of one tile back into a row-major matrix.
   *
   * @param tileValues (to - from, width of the tile)
   * @param bias of all columns, or null
   */
  static void unpack(
      float[] tileValues,
      int tile0,
      int width,
      int height,
      float[] bias,
      int bias0,
      boolean accumulate,
      float[] y,
      int y0,
      int stride,
      int from,
      int to) {
    int c = from;
    for (; c + 8 <= to; c += 8) {
      int tile = tile0 + (c - from) * width;
      unpackEight(tileValues, tile, width, height, bias, bias0 + c, accumulate, y, y0 + c, stride);
    }
    for (; c < to; c++) {
      float shift = bias == null ? 0 : bias[bias0 + c];
      int source = tile0 + (c - from) * width;
      for (int r = 0, at = y0 + c; r < height; r++, at += stride) {
        float value = tileValues[source + r] + shift;
        y[at] = accumulate ? y[at] + value : value;
      }
    }
  }

  /** Eight columns at a time: what is written is then a row's neighbours. */
  private static void unpackEight(
      float[] tile,
      int tile0,
      int width,
      int height,
      float[] bias,
      int bias0,
      boolean accumulate,
      float[] y,
      int y0,
      int stride) {
    for (int r = 0, at = y0; r < height; r++, at += stride) {
      for (int c = 0, source = tile0 + r; c < 8; c++, source += width) {
        float value = tile[source];
        if (bias != null) {
          value += bias[bias0 + c];
        }
        y[at + c] = accumulate ? y[at + c] + value : value;
      }
    }
  }

  private int paddedRows() {
    return rows == 0 ? 0 : (count() - 1) * WIDTH + width(count() - 1);
  }

  /** Tiles of a matrix of so many rows. */
  static int count(int rows) {
    return (rows + WIDTH - 1) / WIDTH;
  }

  int count() {
    return count(rows);
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
    return START + tile * WIDTH * columns;
  }
}
