package dev.sparrow.backend.cpu;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.SparseOps;
import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/**
 * Products of uniformly sparse weights. Activations are turned into {@link BatchTiles}; every sum's
 * order depends on shapes and pattern alone, never on the threads.
 *
 * <p>Patterns whose rows share columns by fours or more run in {@link SparseGroupLoops}, all others
 * in {@link SparseRowLoops}.
 */
final class CpuSparseOps implements SparseOps {
  /** Rows up to which single rows of a weight meet a batch's rows one by one: a tile has 16. */
  static final int FEW_ROWS = 2;

  /** Likewise for gradients, of which a tile has to fold a vector for each non-zero. */
  private static final int FEW_SAMPLED_ROWS = 5;

  /** Rows of a weight that a copy takes. */
  private static final int COPIED_ROWS = 64;

  static final GemmTiles.Body NOTHING = (group, row, rows, column, columns) -> {};

  private final HostPool pool;
  private final ColumnSums columnSums;
  private final SparseScratch scratch;

  CpuSparseOps(SparseScratch scratch) {
    this.pool = scratch.pool;
    this.columnSums = new ColumnSums(pool);
    this.scratch = scratch;
  }

  @Override
  public SparsePattern load(UniformPattern pattern) {
    return new CpuSparsePattern(pattern, 1, pool);
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
    forward(x, values, (CpuSparsePattern) loaded, bias, accumulate, y, then);
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
    forward(x, values, (CpuSparsePattern) loaded, bias, false, h, then);
  }

  private void forward(
      Tensor x,
      Tensor values,
      CpuSparsePattern sparse,
      Tensor bias,
      boolean accumulate,
      Tensor y,
      GemmTiles.Body then) {
    UniformPattern pattern = sparse.pattern();
    requireValues("values", values, pattern);
    Matrices.check("x", x, x.rows(), pattern.columns());
    Matrices.check("y", y, x.rows(), pattern.rows());
    if (bias != null) {
      Matrices.vector("bias", bias, pattern.rows());
    }
    SparseForward product = new SparseForward(scratch, sparse, values, bias, accumulate, y, then);
    if (product.takesFew(x.rows())) {
      product.fewRows(x);
    } else {
      scratch.xTiles.cut(x.rows());
      product.inTiles(x);
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
    SparseBackwardInput product =
        new SparseBackwardInput(scratch, sparse, values, accumulate, dx, then);
    if (dy.rows() <= FEW_ROWS && !sparse.runsInFours()) {
      product.fewRows(dy);
    } else {
      scratch.dyTiles.cut(dy.rows());
      product.inTiles(dy);
    }
  }

  @Override
  public void backwardWeight(
      Tensor dy, Tensor x, SparsePattern loaded, Tensor dvalues, Tensor dbias) {
    UniformPattern pattern = loaded.pattern();
    requireValues("dvalues", dvalues, pattern);
    Matrices.check("dy", dy, dy.rows(), pattern.rows());
    Matrices.check("x", x, dy.rows(), pattern.columns());
    CpuSparsePattern sparse = (CpuSparsePattern) loaded;
    SampledProduct product = new SampledProduct(scratch, sparse, dvalues);
    if (dy.rows() <= FEW_SAMPLED_ROWS) {
      product.fewRows(dy, x);
    } else {
      scratch.xTiles.cut(x.rows());
      scratch.dyTiles.cut(dy.rows());
      product.inTiles(dy, x);
    }
    if (dbias != null) {
      columnSums.add(dy, Matrices.vector("dbias", dbias, pattern.rows()));
    }
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
    int columns = pattern.columns();
    int k = pattern.fanIn();
    pool.ranges(
        pattern.rows(),
        COPIED_ROWS,
        (from, to) -> {
          for (int row = from; row < to; row++) {
            int at = w0 + row * columns;
            Arrays.fill(ws, at, at + columns, 0);
            int live = sparse.liveRow(row);
            if (live >= 0) {
              int start = pattern.start(live);
              SparseCopies.scatter(vs, v0 + live * k, pattern.indices(), start, ws, at, k);
            }
          }
        });
  }

  @Override
  public void sample(Tensor dw, SparsePattern loaded, Tensor dvalues) {
    UniformPattern pattern = loaded.pattern();
    requireValues("dvalues", dvalues, pattern);
    Matrices.check("dw", dw, pattern.rows(), pattern.columns());
    float[] dvs = HeapStorage.floats(dvalues);
    float[] dws = HeapStorage.floats(dw);
    int dv0 = HeapStorage.offset(dvalues);
    int dw0 = HeapStorage.offset(dw);
    int k = pattern.fanIn();
    pool.ranges(
        pattern.liveRows(),
        COPIED_ROWS,
        (from, to) -> {
          for (int live = from; live < to; live++) {
            int row = dw0 + pattern.row(live) * pattern.columns();
            int start = pattern.start(live);
            SparseCopies.addGathered(dws, row, pattern.indices(), start, dvs, dv0 + live * k, k);
          }
        });
  }

  @Override
  public void mask(Tensor bits, Tensor w) {
    int size = Math.toIntExact(w.size());
    int[] words = HeapStorage.ints(Matrices.vector("bits", bits, SparseOps.maskWords(size)));
    float[] ws = HeapStorage.floats(w);
    int b0 = HeapStorage.offset(bits);
    int w0 = HeapStorage.offset(w);
    pool.ranges(
        size,
        SparseScratch.COPY_GRAIN,
        (from, to) -> MaskLoop.run(words, b0, ws, w0, from, to - from));
  }

  static void requireValues(String name, Tensor values, UniformPattern pattern) {
    Matrices.check(name, values, pattern.liveRows(), pattern.fanIn());
  }
}
