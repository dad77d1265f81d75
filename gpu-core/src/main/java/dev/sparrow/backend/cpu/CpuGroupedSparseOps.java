package dev.sparrow.backend.cpu;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.GroupedSparseOps;
import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.Tensor;

/**
 * The products of {@link CpuSparseOps} for stacked experts: the tiles of all experts' rows are one
 * parallel loop, so that a thread that is done with a light expert goes on with a heavy one.
 */
final class CpuGroupedSparseOps implements GroupedSparseOps {
  private final SparseScratch scratch;

  CpuGroupedSparseOps(SparseScratch scratch) {
    this.scratch = scratch;
  }

  @Override
  public SparsePattern load(UniformPattern pattern, int experts) {
    return new CpuSparsePattern(pattern, experts, scratch.pool);
  }

  @Override
  public void forward(Tensor x, Tensor values, SparsePattern loaded, Tensor offsets, Tensor y) {
    forward(x, values, (CpuSparsePattern) loaded, offsets, y, CpuSparseOps.NOTHING);
  }

  @Override
  public void activatedForward(
      Activation f,
      Tensor x,
      Tensor values,
      SparsePattern loaded,
      Tensor offsets,
      Tensor h,
      Tensor y) {
    CpuSparsePattern sparse = (CpuSparsePattern) loaded;
    Matrices.check("y", y, x.rows(), sparse.matrixRows());
    forward(x, values, sparse, offsets, h, TileEpilogues.activate(f, h, y));
  }

  private void forward(
      Tensor x,
      Tensor values,
      CpuSparsePattern sparse,
      Tensor offsets,
      Tensor y,
      GemmTiles.Body then) {
    CpuSparseOps.requireValues("values", values, sparse.pattern());
    Matrices.check("x", x, x.rows(), sparse.pattern().columns());
    Matrices.check("y", y, x.rows(), sparse.matrixRows());
    cut(scratch.xTiles, offsets, sparse, x.rows());
    new SparseForward(scratch, sparse, values, null, false, y, then).inTiles(x);
  }

  @Override
  public void backwardInput(
      Tensor dy,
      Tensor values,
      SparsePattern loaded,
      Tensor offsets,
      boolean accumulate,
      Tensor dx) {
    CpuSparsePattern sparse = (CpuSparsePattern) loaded;
    backwardInput(dy, values, sparse, offsets, accumulate, dx, CpuSparseOps.NOTHING);
  }

  @Override
  public void activatedBackwardInput(
      Activation f,
      Tensor dy,
      Tensor values,
      SparsePattern loaded,
      Tensor offsets,
      Tensor h,
      Tensor dh) {
    CpuSparsePattern sparse = (CpuSparsePattern) loaded;
    Matrices.check("h", h, dy.rows(), sparse.pattern().columns());
    GemmTiles.Body then = TileEpilogues.activateBackward(f, h, dh);
    backwardInput(dy, values, sparse, offsets, false, dh, then);
  }

  private void backwardInput(
      Tensor dy,
      Tensor values,
      CpuSparsePattern sparse,
      Tensor offsets,
      boolean accumulate,
      Tensor dx,
      GemmTiles.Body then) {
    CpuSparseOps.requireValues("values", values, sparse.pattern());
    Matrices.check("dy", dy, dy.rows(), sparse.matrixRows());
    Matrices.check("dx", dx, dy.rows(), sparse.pattern().columns());
    cut(scratch.dyTiles, offsets, sparse, dy.rows());
    new SparseBackwardInput(scratch, sparse, values, accumulate, dx, then).inTiles(dy);
  }

  @Override
  public void backwardWeight(
      Tensor dy, Tensor x, SparsePattern loaded, Tensor offsets, Tensor dvalues) {
    CpuSparsePattern sparse = (CpuSparsePattern) loaded;
    CpuSparseOps.requireValues("dvalues", dvalues, sparse.pattern());
    Matrices.check("dy", dy, dy.rows(), sparse.matrixRows());
    Matrices.check("x", x, dy.rows(), sparse.pattern().columns());
    cut(scratch.xTiles, offsets, sparse, x.rows());
    cut(scratch.dyTiles, offsets, sparse, dy.rows());
    new SampledProduct(scratch, sparse, dvalues).inTiles(dy, x);
  }

  /** Tiles of the rows of each expert; an expert without rows has none. */
  private static void cut(BatchTiles tiles, Tensor offsets, CpuSparsePattern sparse, int rows) {
    int experts = sparse.matrices();
    Matrices.vector("offsets", offsets, experts + 1);
    int[] ends = HeapStorage.ints(offsets);
    int first = HeapStorage.offset(offsets);
    Matrices.assignments(ends, first, experts, rows);
    tiles.cut(ends, first, experts);
  }
}
