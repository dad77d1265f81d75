package dev.sparrow.backend.cpu;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.MatmulOps;
import dev.sparrow.tensor.Tensor;

/**
 * Products of OpenBLAS, each cut into tiles of its output, which the pool's threads compute one
 * after another. The grouped forms put the tiles of all experts into one loop: a thread that is
 * done with a light expert goes on with what is left of a heavy one.
 *
 * <p>Every output element is summed by one call over the whole depth, except for weight gradients
 * too small to share out, whose depth is cut into parts that are added in order.
 */
final class CpuMatmulOps implements MatmulOps {
  /** Tiles a thread gets of a dense product. They are equal; two of them even out a slow core. */
  private static final int DENSE_TILES = 2;

  /**
   * Tiles a thread gets of a grouped product, about: OpenBLAS packs both operands anew for every
   * tile, so an expert of no more than a fair tile's work stays whole.
   */
  private static final int GROUPED_TILES = 4;

  /** Weight gradients up to this size are summed in parts of the depth: routers, narrow heads. */
  private static final int SMALL_GRADIENT = 1 << 14;

  /** Rows of such a part, at least; the number of parts never depends on the threads. */
  private static final int PART_ROWS = 512;

  private static final int MOST_PARTS = 16;

  private final CpuPool pool;
  private final Blas blas;
  private final GemmTiles tiles;
  private final ColumnSums columnSums;
  private final float[] partials = new float[MOST_PARTS * SMALL_GRADIENT];

  CpuMatmulOps(CpuPool pool, Blas blas) {
    this.pool = pool;
    this.blas = blas;
    this.tiles = new GemmTiles(pool);
    this.columnSums = new ColumnSums(pool);
  }

  @Override
  public void forward(Tensor x, Tensor w, Tensor bias, Tensor residual, Tensor y) {
    if (residual == null) {
      runForward(product(x, w, bias, false, y), x, w);
    } else if (isSame(residual, y)) {
      runForward(product(x, w, bias, true, y), x, w);
    } else {
      Matrices.check("residual", residual, x.rows(), w.rows());
      runForward(product(x, w, bias, false, y).then(TileEpilogues.add(residual, y)), x, w);
    }
  }

  @Override
  public void activatedForward(Activation f, Tensor x, Tensor w, Tensor bias, Tensor h, Tensor y) {
    Matrices.check("h", h, x.rows(), w.rows());
    Matrices.check("y", y, x.rows(), w.rows());
    GemmTiles.Body product = product(x, w, bias, false, h);
    runForward(product.then(TileEpilogues.activate(f, h, y)), x, w);
  }

  private void runForward(GemmTiles.Body body, Tensor x, Tensor w) {
    dense(x.rows(), w.rows(), x.columns()).run(body);
  }

  private static boolean isSame(Tensor a, Tensor b) {
    return a.storage() == b.storage() && a.offset() == b.offset() && a.size() == b.size();
  }

  /** A tile of {@code y = x·wᵀ (+ bias)}, or {@code +=}. */
  private GemmTiles.Body product(Tensor x, Tensor w, Tensor bias, boolean accumulate, Tensor y) {
    int rows = x.rows();
    int in = x.columns();
    int out = w.rows();
    Matrices.check("w", w, out, in);
    Matrices.check("y", y, rows, out);
    float[] xs = HeapStorage.floats(x);
    float[] ws = HeapStorage.floats(w);
    float[] ys = HeapStorage.floats(y);
    float[] bs = bias == null ? null : HeapStorage.floats(Matrices.vector("bias", bias, out));
    int x0 = HeapStorage.offset(x);
    int w0 = HeapStorage.offset(w);
    int y0 = HeapStorage.offset(y);
    int b0 = bias == null ? 0 : HeapStorage.offset(bias);
    // The bias is written first and the product added to it: that takes the place of the pass that
    // clears C, so the bias is free.
    float beta = accumulate || bias != null ? 1 : 0;
    return (group, row, m, column, n) -> {
      int c = y0 + row * out + column;
      if (bs != null) {
        setRows(bs, b0 + column, ys, c, out, m, n, accumulate);
      }
      int a = x0 + row * in;
      int b = w0 + column * in;
      blas.sgemm(false, true, m, n, in, 1, xs, a, in, ws, b, in, beta, ys, c, out);
    };
  }

  @Override
  public void backwardInput(Tensor dy, Tensor w, boolean accumulate, Tensor dx) {
    dense(dy.rows(), w.columns(), dy.columns()).run(inputGradient(dy, w, accumulate, dx));
  }

  @Override
  public void activatedBackwardInput(Activation f, Tensor dy, Tensor w, Tensor h, Tensor dh) {
    Matrices.check("h", h, dy.rows(), w.columns());
    Matrices.check("dh", dh, dy.rows(), w.columns());
    GemmTiles.Body product = inputGradient(dy, w, false, dh);
    dense(dy.rows(), w.columns(), dy.columns())
        .run(product.then(TileEpilogues.activateBackward(f, h, dh)));
  }

  /** A tile of {@code dx = dy·w}, or {@code +=}. */
  private GemmTiles.Body inputGradient(Tensor dy, Tensor w, boolean accumulate, Tensor dx) {
    int rows = dy.rows();
    int out = dy.columns();
    int in = w.columns();
    Matrices.check("w", w, out, in);
    Matrices.check("dx", dx, rows, in);
    float[] dys = HeapStorage.floats(dy);
    float[] ws = HeapStorage.floats(w);
    float[] dxs = HeapStorage.floats(dx);
    int dy0 = HeapStorage.offset(dy);
    int w0 = HeapStorage.offset(w);
    int dx0 = HeapStorage.offset(dx);
    float beta = accumulate ? 1 : 0;
    return (group, row, m, column, n) -> {
      int a = dy0 + row * out;
      int c = dx0 + row * in + column;
      blas.sgemm(false, false, m, n, out, 1, dys, a, out, ws, w0 + column, in, beta, dxs, c, in);
    };
  }

  @Override
  public void backwardWeight(Tensor dy, Tensor x, Tensor dw, Tensor dbias) {
    int rows = dy.rows();
    int out = dy.columns();
    int in = x.columns();
    Matrices.check("x", x, rows, in);
    Matrices.check("dw", dw, out, in);
    if (rows == 0) {
      return;
    }
    int parts = Math.min(MOST_PARTS, rows / PART_ROWS);
    if ((long) out * in <= SMALL_GRADIENT && parts > 1) {
      backwardWeightInParts(dy, x, dw, parts);
    } else {
      backwardWeightInTiles(dy, x, dw);
    }
    if (dbias != null) {
      columnSums.add(dy, Matrices.vector("dbias", dbias, out));
    }
  }

  private void backwardWeightInTiles(Tensor dy, Tensor x, Tensor dw) {
    int rows = dy.rows();
    int out = dy.columns();
    int in = x.columns();
    float[] dys = HeapStorage.floats(dy);
    float[] xs = HeapStorage.floats(x);
    float[] dws = HeapStorage.floats(dw);
    int dy0 = HeapStorage.offset(dy);
    int x0 = HeapStorage.offset(x);
    int dw0 = HeapStorage.offset(dw);
    dense(out, in, rows)
        .run(
            (group, row, m, column, n) ->
                blas.sgemm(
                    true,
                    false,
                    m,
                    n,
                    rows,
                    1,
                    dys,
                    dy0 + row,
                    out,
                    xs,
                    x0 + column,
                    in,
                    1,
                    dws,
                    dw0 + row * in + column,
                    in));
  }

  private void backwardWeightInParts(Tensor dy, Tensor x, Tensor dw, int parts) {
    int rows = dy.rows();
    int out = dy.columns();
    int in = x.columns();
    int size = out * in;
    float[] dys = HeapStorage.floats(dy);
    float[] xs = HeapStorage.floats(x);
    int dy0 = HeapStorage.offset(dy);
    int x0 = HeapStorage.offset(x);
    pool.forEach(
        parts,
        part -> {
          int from = (int) ((long) rows * part / parts);
          int to = (int) ((long) rows * (part + 1) / parts);
          blas.sgemm(
              true,
              false,
              out,
              in,
              to - from,
              1,
              dys,
              dy0 + from * out,
              out,
              xs,
              x0 + from * in,
              in,
              0,
              partials,
              part * size,
              in);
        });
    float[] dws = HeapStorage.floats(dw);
    int dw0 = HeapStorage.offset(dw);
    for (int part = 0; part < parts; part++) {
      for (int i = 0; i < size; i++) {
        dws[dw0 + i] += partials[part * size + i];
      }
    }
  }

  @Override
  public void groupedForward(Tensor x, Tensor w, Tensor offsets, Tensor y) {
    GemmTiles.Body product = groupedProduct(x, w, offsets, y);
    rowsOfExperts(offsets, w.dim(0), x.rows(), w.dim(1), x.columns()).run(product);
  }

  @Override
  public void groupedActivatedForward(
      Activation f, Tensor x, Tensor w, Tensor offsets, Tensor h, Tensor y) {
    Matrices.check("h", h, x.rows(), w.dim(1));
    Matrices.check("y", y, x.rows(), w.dim(1));
    GemmTiles.Body product = groupedProduct(x, w, offsets, h);
    rowsOfExperts(offsets, w.dim(0), x.rows(), w.dim(1), x.columns())
        .run(product.then(TileEpilogues.activate(f, h, y)));
  }

  /** A tile of an expert's {@code y = x·w[e]ᵀ}. */
  private GemmTiles.Body groupedProduct(Tensor x, Tensor w, Tensor offsets, Tensor y) {
    int in = x.columns();
    int out = w.dim(1);
    Matrices.experts(w, offsets, out, in);
    Matrices.check("y", y, x.rows(), out);
    float[] xs = HeapStorage.floats(x);
    float[] ws = HeapStorage.floats(w);
    float[] ys = HeapStorage.floats(y);
    int x0 = HeapStorage.offset(x);
    int w0 = HeapStorage.offset(w);
    int y0 = HeapStorage.offset(y);
    return (expert, row, m, column, n) -> {
      int block = WeightStream.blockRows(m, n, in);
      int a = x0 + row * in;
      for (int o = column; o < column + n; o += block) {
        int count = Math.min(block, column + n - o);
        int b = w0 + (expert * out + o) * in;
        int c = y0 + row * out + o;
        WeightStream.read(ws, b, count, in, in);
        blas.sgemm(false, true, m, count, in, 1, xs, a, in, ws, b, in, 0, ys, c, out);
      }
    };
  }

  @Override
  public void groupedBackwardInput(
      Tensor dy, Tensor w, Tensor offsets, boolean accumulate, Tensor dx) {
    GemmTiles.Body product = groupedInputGradient(dy, w, offsets, accumulate, dx);
    rowsOfExperts(offsets, w.dim(0), dy.rows(), w.dim(2), dy.columns()).run(product);
  }

  @Override
  public void groupedActivatedBackwardInput(
      Activation f, Tensor dy, Tensor w, Tensor offsets, Tensor h, Tensor dh) {
    Matrices.check("h", h, dy.rows(), w.dim(2));
    Matrices.check("dh", dh, dy.rows(), w.dim(2));
    GemmTiles.Body product = groupedInputGradient(dy, w, offsets, false, dh);
    rowsOfExperts(offsets, w.dim(0), dy.rows(), w.dim(2), dy.columns())
        .run(product.then(TileEpilogues.activateBackward(f, h, dh)));
  }

  /** A tile of an expert's {@code dx = dy·w[e]}, or {@code +=}. */
  private GemmTiles.Body groupedInputGradient(
      Tensor dy, Tensor w, Tensor offsets, boolean accumulate, Tensor dx) {
    int out = dy.columns();
    int in = w.dim(2);
    Matrices.experts(w, offsets, out, in);
    Matrices.check("dx", dx, dy.rows(), in);
    float[] dys = HeapStorage.floats(dy);
    float[] ws = HeapStorage.floats(w);
    float[] dxs = HeapStorage.floats(dx);
    int dy0 = HeapStorage.offset(dy);
    int w0 = HeapStorage.offset(w);
    int dx0 = HeapStorage.offset(dx);
    return (expert, row, m, column, n) -> {
      int block = WeightStream.blockRows(m, out, n);
      int c = dx0 + row * in + column;
      for (int o = 0; o < out; o += block) {
        int count = Math.min(block, out - o);
        int a = dy0 + row * out + o;
        int b = w0 + (expert * out + o) * in + column;
        float beta = accumulate || o > 0 ? 1 : 0;
        WeightStream.read(ws, b, count, n, in);
        blas.sgemm(false, false, m, n, count, 1, dys, a, out, ws, b, in, beta, dxs, c, in);
      }
    };
  }

  @Override
  public void groupedBackwardWeight(Tensor dy, Tensor x, Tensor offsets, Tensor dw) {
    int out = dy.columns();
    int in = x.columns();
    int experts = Matrices.experts(dw, offsets, out, in);
    Matrices.check("x", x, dy.rows(), in);
    float[] dys = HeapStorage.floats(dy);
    float[] xs = HeapStorage.floats(x);
    float[] dws = HeapStorage.floats(dw);
    int[] ends = HeapStorage.ints(offsets);
    int dy0 = HeapStorage.offset(dy);
    int x0 = HeapStorage.offset(x);
    int dw0 = HeapStorage.offset(dw);
    int o0 = HeapStorage.offset(offsets);
    weightsOfExperts(offsets, experts, dy.rows(), out, in)
        .run(
            (expert, row, m, column, n) -> {
              int first = ends[o0 + expert];
              int rows = ends[o0 + expert + 1] - first;
              blas.sgemm(
                  true,
                  false,
                  m,
                  n,
                  rows,
                  1,
                  dys,
                  dy0 + first * out + row,
                  out,
                  xs,
                  x0 + first * in + column,
                  in,
                  1,
                  dws,
                  dw0 + (expert * out + row) * in + column,
                  in);
            });
  }

  /** Tiles of one (rows, columns) output. */
  private GemmTiles dense(int rows, int columns, int depth) {
    int pieces = tiles.pieces((long) rows * columns * depth, DENSE_TILES);
    return tiles.clear().add(0, 0, rows, columns, depth, pieces);
  }

  /** Tiles of all experts' (rows of e, columns) outputs. */
  private GemmTiles rowsOfExperts(Tensor offsets, int experts, int limit, int columns, int depth) {
    int[] ends = HeapStorage.ints(offsets);
    int first = HeapStorage.offset(offsets);
    int total = Matrices.assignments(ends, first, experts, limit);
    int pieces = tiles.pieces((long) total * columns * depth, GROUPED_TILES);
    tiles.clear();
    for (int e = 0; e < experts; e++) {
      int row = ends[first + e];
      int rows = ends[first + e + 1] - row;
      tiles.add(e, row, rows, columns, depth, share(pieces, rows, total));
    }
    return tiles;
  }

  /** Tiles of all experts' (out, in) gradients; their depth is the rows of e. */
  private GemmTiles weightsOfExperts(Tensor offsets, int experts, int limit, int out, int in) {
    int[] ends = HeapStorage.ints(offsets);
    int first = HeapStorage.offset(offsets);
    int total = Matrices.assignments(ends, first, experts, limit);
    int pieces = tiles.pieces((long) total * out * in, DENSE_TILES);
    tiles.clear();
    for (int e = 0; e < experts; e++) {
      int rows = ends[first + e + 1] - ends[first + e];
      if (rows > 0) {
        tiles.add(e, 0, out, in, rows, share(pieces, rows, total));
      }
    }
    return tiles;
  }

  /** Pieces of one expert that make its tiles about fair ones. */
  private static int share(int pieces, int rows, int total) {
    return Math.max(1, Math.round((float) pieces * rows / Math.max(1, total)));
  }

  private static void setRows(
      float[] bias, int from, float[] y, int to, int stride, int rows, int n, boolean accumulate) {
    for (int r = 0; r < rows; r++, to += stride) {
      if (accumulate) {
        for (int i = 0; i < n; i++) {
          y[to + i] += bias[from + i];
        }
      } else {
        System.arraycopy(bias, from, y, to, n);
      }
    }
  }
}
