package dev.sparrow.backend.cpu;

import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.Tensor;

/**
 * One product {@code dvalues += dyᵀ·x} at the non-zeros, over tiles of both, or one for each of
 * stacked matrices. What rows of a weight meet in a few tiles' span of columns stays in the second
 * cache until all rows of a task have met it; a row's sums, a vector for each non-zero, are folded
 * after each.
 */
final class SampledProduct {
  /** Rows of a weight that a task takes. */
  private static final int ROW_BLOCK = 64;

  /** Tiles between two foldings: with a {@link Spans#LONG} span of 16 lanes, 512 KiB. */
  private static final int TILES = 4;

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
    for (int first = 0; first < xTiles.count(); first = xTiles.endOfWave(first)) {
      xTiles.pack(x, first);
      dyTiles.pack(dy, first);
      sampleWave(first, xTiles.endOfWave(first));
    }
  }

  /** The matrices that meet tiles [first, end), all of their rows. */
  private void sampleWave(int first, int end) {
    int firstLive = sparse.firstLive(xTiles.group(first));
    int endLive = sparse.firstLive(xTiles.group(end - 1) + 1);
    pool.ranges(
        endLive - firstLive,
        ROW_BLOCK,
        (from, to) -> sampleRows(firstLive + from, firstLive + to, first, end));
  }

  /** Rows [from, to) of the values against what tiles [first, end) have of their matrices. */
  private void sampleRows(int from, int to, int first, int end) {
    int start = from;
    while (start < to) {
      int matrix = sparse.matrix(start);
      int stop = Math.min(to, sparse.firstLive(matrix + 1));
      int tileEnd = Math.min(end, xTiles.firstOf(matrix + 1));
      for (int t = Math.max(first, xTiles.firstOf(matrix)); t < tileEnd; t += TILES) {
        sampleTiles(start, stop, t, Math.min(tileEnd, t + TILES));
      }
      start = stop;
    }
  }

  /** Rows of one matrix against a few of its tiles, a span of columns after the other. */
  private void sampleTiles(int from, int to, int tile, int endTile) {
    int rows = sparse.runsInFours() ? SparseGroupLoops.ROWS : 1;
    float[] sums = scratch.atLeast(SUMS * Lanes.COUNT);
    Spans spans = sparse.rowSpans();
    for (int span = 0; span < spans.count(); span++) {
      for (int live = from; live < to; live += rows) {
        int group = live / pattern.groupRows();
        int first = spans.first(group, span);
        sample(live, rows, first, spans.first(group, span + 1), tile, endTile, sums);
      }
    }
  }

  /**
   * Gradients of one row, or of four that share their columns, a block at a time.
   *
   * @param first of the row's columns, and {@code end}, in the pattern's indices
   */
  private void sample(
      int live, int rows, int first, int end, int firstTile, int endTile, float[] sums) {
    int k = pattern.fanIn();
    int block = SUMS / rows;
    int sums0 = AlignedFloats.START;
    for (int c = first; c < end; c += block) {
      int count = Math.min(block, end - c);
      SampledLoops.clear(sums, sums0, rows * count);
      for (int tile = firstTile; tile < endTile; ) {
        tile += sampleTile(live, tile, endTile, c, count, sums, sums0);
      }
      for (int r = 0; r < rows; r++) {
        int from = sums0 + r * Lanes.COUNT;
        int to = dv0 + (live + r) * k + c - pattern.start(live);
        SampledLoops.fold(sums, from, rows * Lanes.COUNT, count, dvs, to);
      }
    }
  }

  /** One tile, or two whole ones; returns how many. */
  private int sampleTile(int live, int tile, int end, int c, int count, float[] sums, int sums0) {
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
