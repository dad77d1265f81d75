package dev.sparrow.backend.cpu;

import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/**
 * One product {@code dx = dy·W} over tiles of dy, or one for each of stacked matrices. Each column
 * of the weight is a row of its transpose; rows that share their columns by fours write where those
 * lie instead, and so do all where a batch has too few rows for tiles.
 */
final class SparseBackwardInput {
  /** Columns of a scattered result that a task holds, 256 KiB: part of the second cache. */
  private static final int SCATTER_COLUMNS = 1024;

  private final SparseScratch shared;
  private final HostPool pool;
  private final BatchTiles tiles;
  private final TaskScratch scratch;
  private final CpuSparsePattern sparse;
  private final UniformPattern pattern;
  private final Tensor values;
  private final float[] vs;
  private final int v0;
  private final boolean accumulate;
  private final float[] dxs;
  private final int dx0;
  private final GemmTiles.Body then;

  /**
   * @param then what is done to a part of dx that is finished
   */
  SparseBackwardInput(
      SparseScratch scratch,
      CpuSparsePattern sparse,
      Tensor values,
      boolean accumulate,
      Tensor dx,
      GemmTiles.Body then) {
    this.shared = scratch;
    this.pool = scratch.pool;
    this.tiles = scratch.dyTiles;
    this.scratch = scratch.tasks;
    this.sparse = sparse;
    this.pattern = sparse.pattern();
    this.values = values;
    this.vs = HeapStorage.floats(values);
    this.v0 = HeapStorage.offset(values);
    this.accumulate = accumulate;
    this.dxs = HeapStorage.floats(dx);
    this.dx0 = HeapStorage.offset(dx);
    this.then = then;
  }

  /** Row by row of the weight and of the batch, into a task's own range of columns. */
  void fewRows(Tensor dy) {
    int ranges = Math.min(pool.threads(), pattern.columns());
    pool.forEach(ranges, task -> fewRows(dy, edge(task, ranges), edge(task + 1, ranges)));
  }

  private void fewRows(Tensor dy, int from, int to) {
    float[] dys = HeapStorage.floats(dy);
    int dy0 = HeapStorage.offset(dy);
    int k = pattern.fanIn();
    for (int r = 0; r < dy.rows() && !accumulate; r++) {
      int row = dx0 + r * pattern.columns();
      Arrays.fill(dxs, row + from, row + to, 0);
    }
    for (int live = 0; live < pattern.liveRows(); live++) {
      int first = first(live, from);
      int count = first(live, to) - first;
      int v = v0 + live * k + first - pattern.start(live);
      for (int r = 0; r < dy.rows(); r++) {
        float scale = dys[dy0 + r * pattern.rows() + pattern.row(live)];
        int row = dx0 + r * pattern.columns();
        SparseRowLoops.scatter(scale, vs, v, pattern.indices(), first, count, dxs, row);
      }
    }
    then.run(0, 0, dy.rows(), from, to - from);
  }

  /** First column of a range. */
  private int edge(int range, int ranges) {
    return (int) ((long) pattern.columns() * range / ranges);
  }

  /** Position of the first of a row's columns from {@code column}. */
  private int first(int live, int column) {
    int start = pattern.start(live);
    int end = start + pattern.fanIn();
    if (column == 0) {
      return start;
    }
    return column == pattern.columns() ? end : lowerBound(pattern.indices(), start, end, column);
  }

  /** Over tiles of dy, which are cut already. */
  void inTiles(Tensor dy) {
    float[] byColumn = sparse.runsInFours() ? null : shared.byColumn(values, sparse);
    for (int first = 0; first < tiles.count(); first = tiles.endOfWave(first)) {
      tiles.pack(dy, first);
      if (byColumn == null) {
        byGroups(first);
      } else {
        byColumns(byColumn, first);
      }
    }
  }

  /** Column by column. */
  private void byColumns(float[] byColumn, int first) {
    int columns = pattern.columns();
    int block = tiles.resultsOfTask(columns, first);
    int blocks = (columns + block - 1) / block;
    pool.forEach(
        (tiles.endOfWave(first) - first) * blocks,
        task -> {
          int from = task % blocks * block;
          multiply(byColumn, first + task / blocks, from, Math.min(columns, from + block));
        });
  }

  private void multiply(float[] byColumn, int tile, int from, int to) {
    int width = tiles.width(tile);
    float[] out = cleared(to - from, width);
    Spans spans = sparse.columnSpans();
    int lists = tiles.group(tile) * pattern.columns();
    for (int span = 0; span < spans.count(); span++) {
      for (int c = from; c < to; c++) {
        int first = spans.first(lists + c, span);
        SparseRowLoops.multiply(
            byColumn,
            first,
            sparse.rowsByColumn(),
            first,
            spans.first(lists + c, span + 1) - first,
            tiles.values(),
            tiles.at(tile),
            width,
            out,
            BatchTiles.RESULTS + (c - from) * width);
      }
    }
    unpack(tile, out, from, to);
  }

  private float[] cleared(int columns, int width) {
    float[] out = BatchTiles.results(scratch, columns);
    Arrays.fill(out, BatchTiles.RESULTS, BatchTiles.RESULTS + columns * width, 0);
    return out;
  }

  private void unpack(int tile, float[] out, int from, int to) {
    int columns = pattern.columns();
    int first = dx0 + tiles.firstRow(tile) * columns + from;
    BatchTiles.unpack(
        out, tiles.width(tile), tiles.height(tile), to - from, accumulate, dxs, first, columns);
    then.run(0, tiles.firstRow(tile), tiles.height(tile), from, to - from);
  }

  /** Four rows at a time write where their columns lie, into a task's own range of columns. */
  private void byGroups(int first) {
    int columns = pattern.columns();
    int count = tiles.endOfWave(first) - first;
    int ranges = scatterRanges(columns, count);
    pool.forEach(
        count * ranges,
        task -> {
          int tile = first + task / ranges;
          int from = edge(task % ranges, ranges);
          int to = edge(task % ranges + 1, ranges);
          float[] out = cleared(to - from, tiles.width(tile));
          scatter(tile, from, to, out);
          unpack(tile, out, from, to);
        });
  }

  /** As many ranges as fit the cache and keep the threads busy. */
  private int scatterRanges(int columns, int tileCount) {
    int forCache = (columns + SCATTER_COLUMNS - 1) / SCATTER_COLUMNS;
    int forThreads = (pool.threads() + tileCount - 1) / tileCount;
    return Math.min(columns, Math.max(forCache, forThreads));
  }

  private void scatter(int tile, int from, int to, float[] out) {
    int width = tiles.width(tile);
    int k = pattern.fanIn();
    int[] indices = pattern.indices();
    int matrix = tiles.group(tile);
    int end = sparse.firstLive(matrix + 1);
    for (int live = sparse.firstLive(matrix); live < end; live += SparseGroupLoops.ROWS) {
      int row = pattern.row(live) - matrix * sparse.matrixRows();
      int first = first(live, from);
      int count = first(live, to) - first;
      SparseGroupLoops.scatter(
          vs,
          v0 + live * k + first - pattern.start(live),
          k,
          indices,
          first,
          count,
          tiles.values(),
          tiles.at(tile) + row * width,
          width,
          out,
          BatchTiles.RESULTS - from * width);
    }
  }

  /** First position in an ascending range whose value is at least {@code key}. */
  private static int lowerBound(int[] ascending, int from, int to, int key) {
    int found = Arrays.binarySearch(ascending, from, to, key);
    return found >= 0 ? found : -found - 1;
  }
}
