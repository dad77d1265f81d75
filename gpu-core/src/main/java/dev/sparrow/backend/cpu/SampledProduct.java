package dev.sparrow.backend.cpu;

import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.Tensor;

/**
 * One product {@code dvalues += dyᵀ·x} at the non-zeros, over tiles of both, or one for each of
 * stacked matrices. A row's sums, a vector for each non-zero, go through all tiles that its matrix
 * meets and are folded at the end.
 */
final class SampledProduct {
  /** Rows of a weight that a task takes. */
  private static final int ROW_BLOCK = 64;

  /** Non-zeros whose sums a task holds, 16 KiB. */
  private static final int SUMS = 256;

  private final HostPool pool;
  private final BatchTiles xTiles;
  private final BatchTiles dyTiles;
  private final TaskScratch scratch;
  private final CpuSparsePattern sparse;
  private final UniformPattern pattern;
  private final float[] dvs;
  private final int dv0;

  SampledProduct(SparseScratch scratch, CpuSparsePattern sparse, Tensor dvalues) {
    this.pool = scratch.pool;
    this.xTiles = scratch.xTiles;
    this.dyTiles = scratch.dyTiles;
    this.scratch = scratch.tasks;
    this.sparse = sparse;
    this.pattern = sparse.pattern();
    this.dvs = HeapStorage.floats(dvalues);
    this.dv0 = HeapStorage.offset(dvalues);
  }

  /** For batches too small for tiles, straight from the matrices. */
  void fewRows(Tensor dy, Tensor x) {
    float[] dys = HeapStorage.floats(dy);
    int dy0 = HeapStorage.offset(dy);
    float[] xs = HeapStorage.floats(x);
    int x0 = HeapStorage.offset(x);
    int k = pattern.fanIn();
    pool.ranges(
        pattern.liveRows(),
        ROW_BLOCK,
        (from, to) -> {
          for (int live = from; live < to; live++) {
            int to0 = dv0 + live * k;
            for (int r = 0; r < dy.rows(); r++) {
              float scale = dys[dy0 + r * pattern.rows() + pattern.row(live)];
              int row = x0 + r * pattern.columns();
              int start = pattern.start(live);
              SparseRowLoops.gather(scale, xs, row, pattern.indices(), start, k, dvs, to0);
            }
          }
        });
  }

  /** Over tiles of both, which are cut already. */
  void inTiles(Tensor dy, Tensor x) {
    xTiles.pack(HeapStorage.floats(x), HeapStorage.offset(x), x.columns());
    dyTiles.pack(HeapStorage.floats(dy), HeapStorage.offset(dy), dy.columns());
    int rows = sparse.runsInFours() ? SparseGroupLoops.ROWS : 1;
    pool.ranges(
        pattern.liveRows(),
        ROW_BLOCK,
        (from, to) -> {
          float[] sums = scratch.atLeast(SUMS * Lanes.COUNT);
          for (int live = from; live < to; live += rows) {
            sample(live, rows, sums);
          }
        });
  }

  /** One row's gradients, or those of four that share their columns, a block at a time. */
  private void sample(int live, int rows, float[] sums) {
    int k = pattern.fanIn();
    int block = SUMS / rows;
    int sums0 = AlignedFloats.START;
    int matrix = sparse.matrix(live);
    int end = xTiles.firstOf(matrix + 1);
    if (xTiles.firstOf(matrix) == end) {
      return;
    }
    for (int i = 0; i < k; i += block) {
      int count = Math.min(block, k - i);
      int c = pattern.start(live) + i;
      SampledLoops.clear(sums, sums0, rows * count);
      for (int tile = xTiles.firstOf(matrix); tile < end; ) {
        tile += sampleTiles(live, tile, end, c, count, sums, sums0);
      }
      for (int r = 0; r < rows; r++) {
        int from = sums0 + r * Lanes.COUNT;
        int to = dv0 + (live + r) * k + i;
        SampledLoops.fold(sums, from, rows * Lanes.COUNT, count, dvs, to);
      }
    }
  }

  /** One tile, or two whole ones; returns how many. */
  private int sampleTiles(int live, int tile, int end, int c, int count, float[] sums, int sums0) {
    int width = xTiles.width(tile);
    float[] dys = dyTiles.values();
    int row = pattern.row(live) % sparse.matrixRows() * width;
    int dy0 = dyTiles.at(tile) + row;
    float[] xs = xTiles.values();
    int x0 = xTiles.at(tile);
    int[] indices = pattern.indices();
    if (sparse.runsInFours()) {
      SampledLoops.group(dys, dy0, xs, x0, width, indices, c, count, sums, sums0);
      return 1;
    }
    if (tile + 1 < end && xTiles.width(tile + 1) == BatchTiles.WIDTH) {
      int dy1 = dyTiles.at(tile + 1) + row;
      int x1 = xTiles.at(tile + 1);
      SampledLoops.rowOfTwoTiles(dys, dy0, dy1, xs, x0, x1, indices, c, count, sums, sums0);
      return 2;
    }
    SampledLoops.row(dys, dy0, xs, x0, width, indices, c, count, sums, sums0);
    return 1;
  }
}
