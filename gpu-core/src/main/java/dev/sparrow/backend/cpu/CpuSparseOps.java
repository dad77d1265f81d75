package dev.sparrow.backend.cpu;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.SparseOps;
import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/**
 * Products of uniformly sparse weights. Activations are turned into {@link BatchTiles}; a task is a
 * tile and a block of rows of the weight, whose result it turns back. Every sum's order depends on
 * shapes and pattern alone, never on the threads.
 *
 * <p>Patterns whose rows share columns by fours or more run in {@link SparseGroupLoops}, all others
 * in {@link SparseRowLoops}; batches of a few rows go without tiles.
 */
final class CpuSparseOps implements SparseOps {
  /** Rows of a weight that a task multiplies: their results, 16 KiB, stay in the first cache. */
  private static final int ROW_BLOCK = 64;

  /** Columns of a scattered result that a task holds, 256 KiB: part of the second cache. */
  private static final int SCATTER_COLUMNS = 1024;

  /** Non-zeros of a row whose sums a sampled product holds, 16 KiB. */
  private static final int SAMPLED_BLOCK = 256;

  /** Rows up to which a batch is multiplied row by row. */
  private static final int FEW_ROWS = 3;

  private static final GemmTiles.Body NOTHING = (group, row, rows, column, columns) -> {};

  /** Elements of a copy that a task takes. */
  private static final int COPY_GRAIN = 1 << 15;

  private final CpuPool pool;
  private final ColumnSums columnSums;
  private final BatchTiles xTiles;
  private final BatchTiles dyTiles;
  private final float[][] scratch;
  private float[] transposedValues = {};

  CpuSparseOps(CpuPool pool) {
    this.pool = pool;
    this.columnSums = new ColumnSums(pool);
    this.xTiles = new BatchTiles(pool);
    this.dyTiles = new BatchTiles(pool);
    this.scratch = new float[pool.threads()][0];
  }

  @Override
  public SparsePattern load(UniformPattern pattern) {
    return new CpuSparsePattern(pattern);
  }

  @Override
  public void forward(
      Tensor x, Tensor values, SparsePattern loaded, Tensor bias, Tensor residual, Tensor y) {
    boolean accumulate = residual != null && Matrices.isSame(residual, y);
    GemmTiles.Body then = NOTHING;
    if (residual != null && !accumulate) {
      Matrices.check("residual", residual, x.rows(), y.columns());
      then = TileEpilogues.add(residual, y);
    }
    multiply(x, new Forward((CpuSparsePattern) loaded, values, bias, accumulate, y, then));
  }

  @Override
  public void activatedForward(
      Activation f,
      Tensor x,
      Tensor values,
      SparsePattern loaded,
      Tensor bias,
      Tensor h,
      Tensor y) {
    Matrices.check("y", y, x.rows(), loaded.pattern().rows());
    GemmTiles.Body then = TileEpilogues.activate(f, h, y);
    multiply(x, new Forward((CpuSparsePattern) loaded, values, bias, false, h, then));
  }

  private static void multiply(Tensor x, Forward product) {
    product.requireInput(x);
    if (x.rows() <= FEW_ROWS) {
      product.rowByRow(x);
    } else {
      product.inTiles(x);
    }
  }

  /** One forward product's operands. */
  private final class Forward {
    private final CpuSparsePattern sparse;
    private final UniformPattern pattern;
    private final float[] vs;
    private final int v0;
    private final Tensor bias;
    private final float[] bs;
    private final int b0;
    private final boolean accumulate;
    private final float[] ys;
    private final int y0;
    private final Tensor y;
    private final GemmTiles.Body then;

    /**
     * @param then what is done to a part of y that is finished
     */
    Forward(
        CpuSparsePattern sparse,
        Tensor values,
        Tensor bias,
        boolean accumulate,
        Tensor y,
        GemmTiles.Body then) {
      requireValues("values", values, sparse.pattern());
      this.sparse = sparse;
      this.pattern = sparse.pattern();
      this.vs = HeapStorage.floats(values);
      this.v0 = HeapStorage.offset(values);
      this.bias = bias;
      this.bs = bias == null ? null : HeapStorage.floats(bias);
      this.b0 = bias == null ? 0 : HeapStorage.offset(bias);
      this.accumulate = accumulate;
      this.ys = HeapStorage.floats(y);
      this.y0 = HeapStorage.offset(y);
      this.y = y;
      this.then = then;
    }

    void requireInput(Tensor x) {
      Matrices.check("x", x, x.rows(), pattern.columns());
      Matrices.check("y", y, x.rows(), pattern.rows());
      if (bs != null) {
        Matrices.vector("bias", bias, pattern.rows());
      }
    }

    void rowByRow(Tensor x) {
      float[] xs = HeapStorage.floats(x);
      int x0 = HeapStorage.offset(x);
      int rows = x.rows();
      pool.ranges(
          pattern.rows(),
          ROW_BLOCK,
          (from, to) -> {
            for (int r = 0; r < rows; r++) {
              for (int o = from; o < to; o++) {
                int at = y0 + r * pattern.rows() + o;
                float sum = (bs == null ? 0 : bs[b0 + o]) + dot(o, xs, x0 + r * pattern.columns());
                ys[at] = accumulate ? ys[at] + sum : sum;
              }
            }
            then.run(0, 0, rows, from, to - from);
          });
    }

    private float dot(int row, float[] xs, int x0) {
      int live = sparse.liveRow(row);
      if (live < 0) {
        return 0;
      }
      int k = pattern.fanIn();
      return SparseRowLoops.dot(
          vs, v0 + live * k, pattern.indices(), pattern.start(live), k, xs, x0);
    }

    void inTiles(Tensor x) {
      xTiles.pack(HeapStorage.floats(x), HeapStorage.offset(x), x.rows(), x.columns());
      int blocks = (pattern.rows() + ROW_BLOCK - 1) / ROW_BLOCK;
      pool.forEach(
          xTiles.count() * blocks,
          task -> {
            int from = task % blocks * ROW_BLOCK;
            multiply(task / blocks, from, Math.min(pattern.rows(), from + ROW_BLOCK));
          });
    }

    /** Rows [from, to) of the weight against one tile, bank by bank. */
    private void multiply(int tile, int from, int to) {
      int width = xTiles.width(tile);
      float[] out = scratch(ROW_BLOCK * BatchTiles.WIDTH);
      int out0 = BatchTiles.start();
      int perBank = pattern.fanIn() / pattern.banks();
      for (int bank = 0; bank < pattern.banks(); bank++) {
        for (int o = from; o < to; ) {
          o += multiplyRows(tile, bank * perBank, perBank, o, out, out0 + (o - from) * width);
        }
      }
      BatchTiles.unpack(
          out,
          out0,
          width,
          xTiles.height(tile),
          bs,
          b0,
          accumulate,
          ys,
          y0 + tile * BatchTiles.WIDTH * pattern.rows(),
          pattern.rows(),
          from,
          to);
      then.run(0, tile * BatchTiles.WIDTH, xTiles.height(tile), from, to - from);
    }

    /** One row, or four that share their columns; returns how many. */
    private int multiplyRows(int tile, int first, int count, int row, float[] out, int out0) {
      int width = xTiles.width(tile);
      int rows = runsInFours(pattern) ? SparseGroupLoops.ROWS : 1;
      int live = sparse.liveRow(row);
      int k = pattern.fanIn();
      if (live < 0) {
        Arrays.fill(out, out0, out0 + rows * width, 0);
        return rows;
      }
      int v = v0 + live * k + first;
      int c = pattern.start(live) + first;
      float[] xs = xTiles.values();
      int x0 = xTiles.at(tile);
      boolean add = first > 0;
      if (rows == 1) {
        SparseRowLoops.multiply(vs, v, pattern.indices(), c, count, xs, x0, width, out, out0, add);
      } else {
        SparseGroupLoops.multiply(
            vs, v, k, pattern.indices(), c, count, xs, x0, width, out, out0, add);
      }
      return rows;
    }
  }

  @Override
  public void backwardInput(
      Tensor dy, Tensor values, SparsePattern loaded, boolean accumulate, Tensor dx) {
    backwardInput(dy, values, (CpuSparsePattern) loaded, accumulate, dx, NOTHING);
  }

  @Override
  public void activatedBackwardInput(
      Activation f, Tensor dy, Tensor values, SparsePattern loaded, Tensor h, Tensor dh) {
    Matrices.check("h", h, dy.rows(), loaded.pattern().columns());
    GemmTiles.Body then = TileEpilogues.activateBackward(f, h, dh);
    backwardInput(dy, values, (CpuSparsePattern) loaded, false, dh, then);
  }

  private void backwardInput(
      Tensor dy,
      Tensor values,
      CpuSparsePattern sparse,
      boolean accumulate,
      Tensor dx,
      GemmTiles.Body then) {
    UniformPattern pattern = sparse.pattern();
    requireValues("values", values, pattern);
    Matrices.check("dy", dy, dy.rows(), pattern.rows());
    Matrices.check("dx", dx, dy.rows(), pattern.columns());
    dyTiles.pack(HeapStorage.floats(dy), HeapStorage.offset(dy), dy.rows(), dy.columns());
    if (runsInFours(pattern)) {
      backwardInputByGroups(sparse, values, accumulate, dx, then);
    } else {
      backwardInputByColumns(sparse, values, accumulate, dx, then);
    }
  }

  /** Each column of the weight against the tiles of dy, as a row of the transpose. */
  private void backwardInputByColumns(
      CpuSparsePattern sparse, Tensor values, boolean accumulate, Tensor dx, GemmTiles.Body then) {
    transpose(values, sparse);
    int columns = sparse.pattern().columns();
    int blocks = (columns + ROW_BLOCK - 1) / ROW_BLOCK;
    float[] dxs = HeapStorage.floats(dx);
    int dx0 = HeapStorage.offset(dx);
    pool.forEach(
        dyTiles.count() * blocks,
        task -> {
          int tile = task / blocks;
          int width = dyTiles.width(tile);
          int from = task % blocks * ROW_BLOCK;
          int to = Math.min(columns, from + ROW_BLOCK);
          float[] out = scratch(ROW_BLOCK * BatchTiles.WIDTH);
          for (int c = from; c < to; c++) {
            int start = sparse.start(c);
            SparseRowLoops.multiply(
                transposedValues,
                start,
                sparse.rowsByColumn(),
                start,
                sparse.start(c + 1) - start,
                dyTiles.values(),
                dyTiles.at(tile),
                width,
                out,
                BatchTiles.start() + (c - from) * width,
                false);
          }
          unpackInput(tile, out, from, to, accumulate, dxs, dx0, columns);
          then.run(0, tile * BatchTiles.WIDTH, dyTiles.height(tile), from, to - from);
        });
  }

  /** The values in the order of the columns, so that a column reads its own in a row. */
  private void transpose(Tensor values, CpuSparsePattern sparse) {
    float[] vs = HeapStorage.floats(values);
    int v0 = HeapStorage.offset(values);
    int[] sources = sparse.sourcesByColumn();
    if (transposedValues.length < sources.length) {
      transposedValues = new float[sources.length];
    }
    float[] to = transposedValues;
    pool.ranges(
        sources.length,
        COPY_GRAIN,
        (from, end) -> {
          for (int i = from; i < end; i++) {
            to[i] = vs[v0 + sources[i]];
          }
        });
  }

  /** Four rows at a time write where their columns lie, into a task's own range of columns. */
  private void backwardInputByGroups(
      CpuSparsePattern sparse, Tensor values, boolean accumulate, Tensor dx, GemmTiles.Body then) {
    UniformPattern pattern = sparse.pattern();
    int columns = pattern.columns();
    int ranges = scatterRanges(columns);
    float[] vs = HeapStorage.floats(values);
    int v0 = HeapStorage.offset(values);
    float[] dxs = HeapStorage.floats(dx);
    int dx0 = HeapStorage.offset(dx);
    pool.forEach(
        dyTiles.count() * ranges,
        task -> {
          int tile = task / ranges;
          int from = (int) ((long) columns * (task % ranges) / ranges);
          int to = (int) ((long) columns * (task % ranges + 1) / ranges);
          int width = dyTiles.width(tile);
          float[] out = scratch((to - from) * width);
          int out0 = BatchTiles.start();
          Arrays.fill(out, out0, out0 + (to - from) * width, 0);
          scatter(pattern, vs, v0, tile, from, to, out, out0);
          unpackInput(tile, out, from, to, accumulate, dxs, dx0, columns);
          then.run(0, tile * BatchTiles.WIDTH, dyTiles.height(tile), from, to - from);
        });
  }

  /** As many ranges as fit the cache and keep the threads busy. */
  private int scatterRanges(int columns) {
    int forCache = (columns + SCATTER_COLUMNS - 1) / SCATTER_COLUMNS;
    int forThreads = (pool.threads() + dyTiles.count() - 1) / Math.max(1, dyTiles.count());
    return Math.min(columns, Math.max(forCache, forThreads));
  }

  private void scatter(
      UniformPattern pattern,
      float[] vs,
      int v0,
      int tile,
      int from,
      int to,
      float[] out,
      int out0) {
    int width = dyTiles.width(tile);
    int k = pattern.fanIn();
    int[] indices = pattern.indices();
    boolean whole = from == 0 && to == pattern.columns();
    for (int live = 0; live < pattern.liveRows(); live += SparseGroupLoops.ROWS) {
      int start = pattern.start(live);
      int first = whole ? start : lowerBound(indices, start, start + k, from);
      int end = whole ? start + k : lowerBound(indices, first, start + k, to);
      SparseGroupLoops.scatter(
          vs,
          v0 + live * k + first - start,
          k,
          indices,
          first,
          end - first,
          dyTiles.values(),
          dyTiles.at(tile) + pattern.row(live) * width,
          width,
          out,
          out0,
          from);
    }
  }

  /** First position in an ascending range whose value is at least {@code key}. */
  private static int lowerBound(int[] ascending, int from, int to, int key) {
    int found = Arrays.binarySearch(ascending, from, to, key);
    return found >= 0 ? found : -found - 1;
  }

  private void unpackInput(
      int tile,
      float[] out,
      int from,
      int to,
      boolean accumulate,
      float[] dxs,
      int dx0,
      int columns) {
    BatchTiles.unpack(
        out,
        BatchTiles.start(),
        dyTiles.width(tile),
        dyTiles.height(tile),
        null,
        0,
        accumulate,
        dxs,
        dx0 + tile * BatchTiles.WIDTH * columns,
        columns,
        from,
        to);
  }

  @Override
  public void backwardWeight(
      Tensor dy, Tensor x, SparsePattern loaded, Tensor dvalues, Tensor dbias) {
    UniformPattern pattern = loaded.pattern();
    requireValues("dvalues", dvalues, pattern);
    Matrices.check("dy", dy, dy.rows(), pattern.rows());
    Matrices.check("x", x, dy.rows(), pattern.columns());
    if (dy.rows() == 0) {
      return;
    }
    xTiles.pack(HeapStorage.floats(x), HeapStorage.offset(x), x.rows(), x.columns());
    dyTiles.pack(HeapStorage.floats(dy), HeapStorage.offset(dy), dy.rows(), dy.columns());
    int step = runsInFours(pattern) ? SparseGroupLoops.ROWS : 1;
    float[] to = HeapStorage.floats(dvalues);
    int to0 = HeapStorage.offset(dvalues);
    pool.ranges(
        pattern.liveRows(),
        ROW_BLOCK,
        (from, end) -> {
          float[] sums = scratch(SAMPLED_BLOCK * Lanes.COUNT);
          for (int live = from; live < end; live += step) {
            sampleRows(pattern, live, sums, to, to0 + live * pattern.fanIn());
          }
        });
    if (dbias != null) {
      columnSums.add(dy, Matrices.vector("dbias", dbias, pattern.rows()));
    }
  }

  /** One row's gradients, or those of four that share their columns, a block at a time. */
  private void sampleRows(UniformPattern pattern, int live, float[] sums, float[] to, int to0) {
    int k = pattern.fanIn();
    int rows = runsInFours(pattern) ? SparseGroupLoops.ROWS : 1;
    int block = SAMPLED_BLOCK / rows;
    int sums0 = BatchTiles.start();
    for (int i = 0; i < k; i += block) {
      int count = Math.min(block, k - i);
      SampledLoops.clear(sums, sums0, rows * count);
      int c = pattern.start(live) + i;
      for (int tile = 0; tile < xTiles.count(); ) {
        tile += sampleTiles(pattern, live, tile, c, count, sums, sums0);
      }
      for (int r = 0; r < rows; r++) {
        int from = sums0 + r * Lanes.COUNT;
        SampledLoops.fold(sums, from, rows * Lanes.COUNT, count, to, to0 + r * k + i);
      }
    }
  }

  /** One tile, or two whole ones; returns how many. */
  private int sampleTiles(
      UniformPattern pattern, int live, int tile, int c, int count, float[] sums, int sums0) {
    int width = xTiles.width(tile);
    float[] dys = dyTiles.values();
    int row = pattern.row(live) * width;
    int dy0 = dyTiles.at(tile) + row;
    float[] xs = xTiles.values();
    int x0 = xTiles.at(tile);
    int[] indices = pattern.indices();
    if (runsInFours(pattern)) {
      SampledLoops.group(dys, dy0, xs, x0, width, indices, c, count, sums, sums0);
      return 1;
    }
    if (tile + 1 < xTiles.count() && xTiles.width(tile + 1) == BatchTiles.WIDTH) {
      int dy1 = dyTiles.at(tile + 1) + row;
      int x1 = xTiles.at(tile + 1);
      SampledLoops.rowOfTwoTiles(dys, dy0, dy1, xs, x0, x1, indices, c, count, sums, sums0);
      return 2;
    }
    SampledLoops.row(dys, dy0, xs, x0, width, indices, c, count, sums, sums0);
    return 1;
  }

  @Override
  public void expand(Tensor values, SparsePattern loaded, Tensor w) {
    UniformPattern pattern = loaded.pattern();
    CpuSparsePattern sparse = (CpuSparsePattern) loaded;
    requireValues("values", values, pattern);
    Matrices.check("w", w, pattern.rows(), pattern.columns());
    float[] vs = HeapStorage.floats(values);
    float[] ws = HeapStorage.floats(w);
    int v0 = HeapStorage.offset(values);
    int w0 = HeapStorage.offset(w);
    int k = pattern.fanIn();
    pool.ranges(
        pattern.rows(),
        ROW_BLOCK,
        (from, to) -> {
          int columns = pattern.columns();
          Arrays.fill(ws, w0 + from * columns, w0 + to * columns, 0);
          for (int row = from; row < to; row++) {
            int live = sparse.liveRow(row);
            for (int i = 0; live >= 0 && i < k; i++) {
              int column = pattern.indices()[pattern.start(live) + i];
              ws[w0 + row * columns + column] = vs[v0 + live * k + i];
            }
          }
        });
  }

  @Override
  public void sample(Tensor w, SparsePattern loaded, Tensor values) {
    UniformPattern pattern = loaded.pattern();
    requireValues("values", values, pattern);
    Matrices.check("w", w, pattern.rows(), pattern.columns());
    float[] vs = HeapStorage.floats(values);
    float[] ws = HeapStorage.floats(w);
    int v0 = HeapStorage.offset(values);
    int w0 = HeapStorage.offset(w);
    int k = pattern.fanIn();
    pool.ranges(
        pattern.liveRows(),
        ROW_BLOCK,
        (from, to) -> {
          for (int live = from; live < to; live++) {
            int row = w0 + pattern.row(live) * pattern.columns();
            for (int i = 0; i < k; i++) {
              vs[v0 + live * k + i] += ws[row + pattern.indices()[pattern.start(live) + i]];
            }
          }
        });
  }

  private static boolean runsInFours(UniformPattern pattern) {
    return pattern.groupRows() % SparseGroupLoops.ROWS == 0;
  }

  private static void requireValues(String name, Tensor values, UniformPattern pattern) {
    Matrices.check(name, values, pattern.liveRows(), pattern.fanIn());
  }

  /** The calling thread's own memory. */
  private float[] scratch(int floats) {
    int slot = pool.slot();
    scratch[slot] = BatchTiles.atLeast(scratch[slot], floats);
    return scratch[slot];
  }
}
