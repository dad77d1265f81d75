package dev.sparrow.backend.cpu;

import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.NormOps;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/**
 * LayerNorm and RMSNorm, row by row. The gradients of weight and bias are summed by groups of rows
 * whose number depends on the shape alone, then over the groups in order.
 */
final class CpuNormOps implements NormOps {
  private static final int GRAIN = 1 << 15;

  /** Groups of rows whose parameter gradients are summed apart. */
  private static final int GROUPS = 16;

  private final HostPool pool;

  /** Sums of each group: weights, then biases. Grown, never shrunk. */
  private float[] partials = new float[0];

  CpuNormOps(HostPool pool) {
    this.pool = pool;
  }

  @Override
  public void layerNorm(
      Tensor x, Tensor weight, Tensor bias, double epsilon, Tensor y, Tensor mean, Tensor rstd) {
    int rows = x.rows();
    int columns = requireRows("layerNorm", "layerNorm: x, y", x, weight, y);
    Sizes.require("layerNorm: mean", mean, rows);
    Sizes.require("layerNorm: rstd", rstd, rows);
    // Without a bias, adding the weights times 0 would turn infinities to NaN: a zero row instead.
    float[] bs = bias == null ? zeros(columns) : HeapStorage.floats(bias);
    int bo = bias == null ? 0 : HeapStorage.offset(bias);
    if (bias != null) {
      Sizes.require("layerNorm: bias", bias, columns);
    }
    forward(NormForward.LAYER_NORM, x, weight, bs, bo, epsilon, y, mean, rstd);
  }

  @Override
  public void layerNormBackward(
      Tensor dy,
      Tensor x,
      Tensor weight,
      Tensor mean,
      Tensor rstd,
      boolean accumulate,
      Tensor dx,
      Tensor dweight,
      Tensor dbias) {
    int rows = x.rows();
    int columns =
        requireRows("layerNormBackward", "layerNormBackward: x, dy, dx", x, weight, dy, dx);
    Sizes.require("layerNormBackward: mean", mean, rows);
    Sizes.require("layerNormBackward: rstd", rstd, rows);
    Sizes.require("layerNormBackward: dweight", dweight, columns);
    if (dbias != null) {
      Sizes.require("layerNormBackward: dbias", dbias, columns);
    }
    NormPass[] passes = accumulate ? NormBackward.LAYER_NORM_ADD : NormBackward.LAYER_NORM;
    backward(passes, dy, x, weight, mean, rstd, dx, dweight, dbias);
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, double epsilon, Tensor y, Tensor rstd) {
    int rows = x.rows();
    int columns = requireRows("rmsNorm", "rmsNorm: x, y", x, weight, y);
    Sizes.require("rmsNorm: rstd", rstd, rows);
    forward(NormForward.RMS_NORM, x, weight, zeros(columns), 0, epsilon, y, null, rstd);
  }

  @Override
  public void rmsNormBackward(
      Tensor dy,
      Tensor x,
      Tensor weight,
      Tensor rstd,
      boolean accumulate,
      Tensor dx,
      Tensor dweight) {
    int rows = x.rows();
    int columns = requireRows("rmsNormBackward", "rmsNormBackward: x, dy, dx", x, weight, dy, dx);
    Sizes.require("rmsNormBackward: rstd", rstd, rows);
    Sizes.require("rmsNormBackward: dweight", dweight, columns);
    NormPass[] passes = accumulate ? NormBackward.RMS_NORM_ADD : NormBackward.RMS_NORM;
    backward(passes, dy, x, weight, null, rstd, dx, dweight, null);
  }

  private void forward(
      NormPass[] passes,
      Tensor x,
      Tensor weight,
      float[] bias,
      int bo,
      double epsilon,
      Tensor y,
      Tensor mean,
      Tensor rstd) {
    pool.ranges(
        x.rows(),
        grain(x.columns()),
        (from, to) -> {
          NormBlock block = NormBlock.of(x, weight, mean, rstd);
          block.bias = bias;
          block.bo = bo;
          block.epsilon = epsilon;
          block.y = HeapStorage.floats(y);
          block.yo = HeapStorage.offset(y);
          block.run(passes, from, to);
        });
  }

  private void backward(
      NormPass[] passes,
      Tensor dy,
      Tensor x,
      Tensor weight,
      Tensor mean,
      Tensor rstd,
      Tensor dx,
      Tensor dweight,
      Tensor dbias) {
    int rows = x.rows();
    int columns = x.columns();
    float[] sums = groupSums(columns);
    int group = group(rows);
    pool.ranges(
        rows,
        group,
        (from, to) -> {
          NormBlock block = NormBlock.of(x, weight, mean, rstd);
          block.dy = HeapStorage.floats(dy);
          block.dyo = HeapStorage.offset(dy);
          block.dx = HeapStorage.floats(dx);
          block.dxo = HeapStorage.offset(dx);
          block.sums = sums;
          block.dweights = clearGroup(sums, from / group, columns);
          block.dbiases = block.dweights + columns;
          block.run(passes, from, to);
        });
    int groups = (rows + group - 1) / group;
    addGroups(sums, 0, groups, columns, dweight);
    if (dbias != null) {
      addGroups(sums, columns, groups, columns, dbias);
    }
  }

  private static int requireRows(
      String op, String sameShape, Tensor x, Tensor weight, Tensor... others) {
    Sizes.equal(sameShape, x, others);
    Sizes.require(op + ": weight", weight, x.columns());
    return x.columns();
  }

  private static int grain(int columns) {
    return Math.max(1, GRAIN / Math.max(1, columns));
  }

  private static int group(int rows) {
    return Math.max(1, (rows + GROUPS - 1) / GROUPS);
  }

  private float[] groupSums(int columns) {
    if (partials.length < GROUPS * 2 * columns) {
      partials = new float[GROUPS * 2 * columns];
    }
    return partials;
  }

  private float[] zeros(int columns) {
    float[] zeros = groupSums(columns);
    Arrays.fill(zeros, 0, columns, 0);
    return zeros;
  }

  private static int clearGroup(float[] sums, int group, int columns) {
    int at = group * 2 * columns;
    Arrays.fill(sums, at, at + 2 * columns, 0);
    return at;
  }

  private static void addGroups(float[] sums, int first, int groups, int columns, Tensor out) {
    float[] os = HeapStorage.floats(out);
    int oo = HeapStorage.offset(out);
    for (int g = 1; g < groups; g++) {
      RowOps.add(sums, first, sums, first + g * 2 * columns, sums, first, columns);
    }
    if (groups > 0) {
      RowOps.add(os, oo, sums, first, os, oo, columns);
    }
  }
}
