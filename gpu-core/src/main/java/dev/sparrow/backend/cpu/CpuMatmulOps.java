package dev.sparrow.backend.cpu;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.HostPool;
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

  private final HostPool pool;
  private final Blas blas;
  private final GemmTiles tiles;
  private final ProductTiles products;
  private final ColumnSums columnSums;
  private final float[] partials = new float[MOST_PARTS * SMALL_GRADIENT];

  CpuMatmulOps(HostPool pool, Blas blas) {
    this.pool = pool;
    this.blas = blas;
    this.tiles = new GemmTiles(pool);
    this.products = new ProductTiles(blas);
    this.columnSums = new ColumnSums(pool);
  }

  @Override
  public void forward(Tensor x, Tensor w, Tensor bias, Tensor residual, Tensor y) {
    if (residual == null) {
      runForward(products.product(x, w, bias, false, y), x, w);
    } else if (Matrices.isSame(residual, y)) {
      runForward(products.product(x, w, bias, true, y), x, w);
    } else {
      Matrices.check("residual", residual, x.rows(), w.rows());
      runForward(products.product(x, w, bias, false, y).then(TileEpilogues.add(residual, y)), x, w);
    }
  }

  @Override
  public void activatedForward(Activation f, Tensor x, Tensor w, Tensor bias, Tensor h, Tensor y) {
    Matrices.check("h", h, x.rows(), w.rows());
    Matrices.check("y", y, x.rows(), w.rows());
    GemmTiles.Body product = products.product(x, w, bias, false, h);
    runForward(product.then(TileEpilogues.activate(f, h, y)), x, w);
  }

  private void runForward(GemmTiles.Body body, Tensor x, Tensor w) {
    dense(x.rows(), w.rows(), x.columns()).run(body);
  }

  @Override
  public void backwardInput(Tensor dy, Tensor w, boolean accumulate, Tensor dx) {
    dense(dy.rows(), w.columns(), dy.columns()).run(products.inputGradient(dy, w, accumulate, dx));
  }

  @Override
  public void activatedBackwardInput(Activation f, Tensor dy, Tensor w, Tensor h, Tensor dh) {
    Matrices.check("h", h, dy.rows(), w.columns());
    Matrices.check("dh", dh, dy.rows(), w.columns());
    GemmTiles.Body product = products.inputGradient(dy, w, false, dh);
    dense(dy.rows(), w.columns(), dy.columns())
        .run(product.then(TileEpilogues.activateBackward(f, h, dh)));
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
      dense(out, in, rows).run(products.weightGradient(dy, x, dw));
    }
    if (dbias != null) {
      columnSums.add(dy, Matrices.vector("dbias", dbias, out));
    }
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
    GemmTiles.Body product = products.groupedProduct(x, w, offsets, y);
    rowsOfExperts(offsets, w.dim(0), x.rows(), w.dim(1), x.columns()).run(product);
  }

  @Override
  public void groupedActivatedForward(
      Activation f, Tensor x, Tensor w, Tensor offsets, Tensor h, Tensor y) {
    Matrices.check("h", h, x.rows(), w.dim(1));
    Matrices.check("y", y, x.rows(), w.dim(1));
    GemmTiles.Body product = products.groupedProduct(x, w, offsets, h);
    rowsOfExperts(offsets, w.dim(0), x.rows(), w.dim(1), x.columns())
        .run(product.then(TileEpilogues.activate(f, h, y)));
  }

  @Override
  public void groupedBackwardInput(
      Tensor dy, Tensor w, Tensor offsets, boolean accumulate, Tensor dx) {
    GemmTiles.Body product = products.groupedInputGradient(dy, w, offsets, accumulate, dx);
    rowsOfExperts(offsets, w.dim(0), dy.rows(), w.dim(2), dy.columns()).run(product);
  }

  @Override
  public void groupedActivatedBackwardInput(
      Activation f, Tensor dy, Tensor w, Tensor offsets, Tensor h, Tensor dh) {
    Matrices.check("h", h, dy.rows(), w.dim(2));
    Matrices.check("dh", dh, dy.rows(), w.dim(2));
    GemmTiles.Body product = products.groupedInputGradient(dy, w, offsets, false, dh);
    rowsOfExperts(offsets, w.dim(0), dy.rows(), w.dim(2), dy.columns())
        .run(product.then(TileEpilogues.activateBackward(f, h, dh)));
  }

  @Override
  public void groupedBackwardWeight(Tensor dy, Tensor x, Tensor offsets, Tensor dw) {
    GemmTiles.Body gradient = products.groupedWeightGradient(dy, x, offsets, dw);
    weightsOfExperts(offsets, dw.dim(0), dy.rows(), dy.columns(), x.columns()).run(gradient);
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
}
