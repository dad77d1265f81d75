package dev.sparrow.backend.cpu;

import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/**
 * One product {@code y = x·Wᵀ (+ bias)}, or one for each of stacked matrices with the group of rows
 * that meets it. A task is a tile of x and a block of rows of the weight, whose results it turns
 * back. The block goes through the tile {@link Spans span} by span; a batch of a few rows goes
 * without tiles.
 */
final class SparseForward {
  /** Rows of a weight that a task multiplies with few of a batch. */
  private static final int ROW_BLOCK = 64;

  private final HostPool pool;
  private final BatchTiles tiles;
  private final TaskScratch scratch;
  private final CpuSparsePattern sparse;
  private final UniformPattern pattern;
  private final float[] vs;
  private final int v0;
  private final float[] bs;
  private final int b0;
  private final boolean accumulate;
  private final float[] ys;
  private final int y0;
  private final GemmTiles.Body then;

  /**
   * @param bias null for none
   * @param then what is done to a part of y that is finished
   */
  SparseForward(
      SparseScratch scratch,
      CpuSparsePattern sparse,
      Tensor values,
      Tensor bias,
      boolean accumulate,
      Tensor y,
      GemmTiles.Body then) {
    this.pool = scratch.pool;
    this.tiles = scratch.xTiles;
    this.scratch = scratch.tasks;
    this.sparse = sparse;
    this.pattern = sparse.pattern();
    this.vs = HeapStorage.floats(values);
    this.v0 = HeapStorage.offset(values);
    this.bs = bias == null ? null : HeapStorage.floats(bias);
    this.b0 = bias == null ? 0 : HeapStorage.offset(bias);
    this.accumulate = accumulate;
    this.ys = HeapStorage.floats(y);
    this.y0 = HeapStorage.offset(y);
    this.then = then;
  }

  /** Whether so many rows of x are multiplied one by one. */
  boolean takesFew(int rows) {
    return rows <= CpuSparseOps.FEW_ROWS && !sparse.runsInFours();
  }

  /** For batches too small for tiles, straight from the matrix. */
  void fewRows(Tensor x) {
    pool.ranges(
        sparse.matrixRows(), ROW_BLOCK, (from, to) -> multiplyFew(x, 0, 0, x.rows(), from, to));
  }

  /** Rows [from, to) of a matrix against {@code count} rows of x, one by one. */
  private void multiplyFew(Tensor x, int matrix, int first, int count, int from, int to) {
    float[] xs = HeapStorage.floats(x);
    int x0 = HeapStorage.offset(x);
    int stride = sparse.matrixRows();
    for (int r = first; r < first + count; r++) {
      for (int o = from; o < to; o++) {
        int at = y0 + r * stride + o;
        float sum = bias(o) + dot(matrix * stride + o, xs, x0 + r * pattern.columns());
        ys[at] = accumulate ? ys[at] + sum : sum;
      }
    }
    then.run(0, first, count, from, to - from);
  }

  private float bias(int row) {
    return bs == null ? 0 : bs[b0 + row];
  }

  private float dot(int row, float[] xs, int x0) {
    int live = sparse.liveRow(row);
    if (live < 0) {
      return 0;
    }
    int k = pattern.fanIn();
    return SparseRowLoops.dot(vs, v0 + live * k, pattern.indices(), pattern.start(live), k, xs, x0);
  }

  /** Over tiles of x, which are cut already. */
  void inTiles(Tensor x) {
    for (int first = 0; first < tiles.count(); first = tiles.endOfWave(first)) {
      tiles.pack(x, first);
      multiplyWave(x, first);
    }
  }

  private void multiplyWave(Tensor x, int first) {
    int rows = sparse.matrixRows();
    int block = tiles.resultsOfTask(rows, first);
    int blocks = (rows + block - 1) / block;
    pool.forEach(
        (tiles.endOfWave(first) - first) * blocks,
        task -> {
          int tile = first + task / blocks;
          int from = task % blocks * block;
          int to = Math.min(rows, from + block);
          if (takesFew(tiles.height(tile))) {
            multiplyFew(x, tiles.group(tile), tiles.firstRow(tile), tiles.height(tile), from, to);
          } else {
            multiply(tile, from, to);
          }
        });
  }

  /** Rows [from, to) of the tile's matrix against it. */
  private void multiply(int tile, int from, int to) {
    int width = tiles.width(tile);
    int matrix = tiles.group(tile) * sparse.matrixRows();
    float[] out = BatchTiles.results(scratch, to - from);
    startAtBias(out, width, from, to);
    if (sparse.runsInFours()) {
      for (int o = from; o < to; o += SparseGroupLoops.ROWS) {
        multiplyFour(tile, matrix + o, out, BatchTiles.RESULTS + (o - from) * width);
      }
    } else {
      for (int span = 0; span < sparse.rowSpans().count(); span++) {
        for (int o = from; o < to; o++) {
          multiplyOne(tile, span, matrix + o, out, BatchTiles.RESULTS + (o - from) * width);
        }
      }
    }
    int stride = sparse.matrixRows();
    int first = y0 + tiles.firstRow(tile) * stride + from;
    int height = tiles.height(tile);
    BatchTiles.unpack(out, width, height, to - from, accumulate, ys, first, stride);
    then.run(0, tiles.firstRow(tile), height, from, to - from);
  }

  private void startAtBias(float[] out, int width, int from, int to) {
    if (bs == null) {
      Arrays.fill(out, BatchTiles.RESULTS, BatchTiles.RESULTS + (to - from) * width, 0);
    } else {
      SparseRowLoops.fill(bs, b0 + from, to - from, width, out, BatchTiles.RESULTS);
    }
  }

  private void multiplyOne(int tile, int span, int row, float[] out, int out0) {
    int live = sparse.liveRow(row);
    if (live < 0) {
      return;
    }
    int group = live / pattern.groupRows();
    int first = sparse.rowSpans().first(group, span);
    int count = sparse.rowSpans().first(group, span + 1) - first;
    int v = v0 + live * pattern.fanIn() + first - pattern.start(live);
    int width = tiles.width(tile);
    SparseRowLoops.multiply(
        vs, v, pattern.indices(), first, count, tiles.values(), tiles.at(tile), width, out, out0);
  }

  private void multiplyFour(int tile, int row, float[] out, int out0) {
    int live = sparse.liveRow(row);
    if (live < 0) {
      return;
    }
    int k = pattern.fanIn();
    SparseGroupLoops.multiply(
        vs,
        v0 + live * k,
        k,
        pattern.indices(),
        pattern.start(live),
        k,
        tiles.values(),
        tiles.at(tile),
        tiles.width(tile),
        out,
        out0);
  }
}
