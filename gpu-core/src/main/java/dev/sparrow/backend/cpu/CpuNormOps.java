package dev.sparrow.backend.cpu;

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

  private final CpuPool pool;

  /** Sums of each group: weights, then biases. Grown, never shrunk. */
  private float[] partials = new float[0];

  CpuNormOps(CpuPool pool) {
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
    float[] xs = HeapStorage.floats(x);
    float[] ws = HeapStorage.floats(weight);
    float[] ys = HeapStorage.floats(y);
    float[] means = HeapStorage.floats(mean);
    float[] rstds = HeapStorage.floats(rstd);
    int xo = HeapStorage.offset(x);
    int wo = HeapStorage.offset(weight);
    int yo = HeapStorage.offset(y);
    int mo = HeapStorage.offset(mean);
    int ro = HeapStorage.offset(rstd);
    pool.ranges(
        rows,
        grain(columns),
        (from, to) -> {
          for (int r = from; r < to; r++) {
            int at = xo + r * columns;
            float m = NormRows.sum(xs, at, columns) / columns;
            float variance = NormRows.squares(xs, at, m, columns) / columns;
            float scale = (float) (1 / Math.sqrt(variance + epsilon));
            means[mo + r] = m;
            rstds[ro + r] = scale;
            NormRows.apply(xs, at, m, scale, ws, wo, bs, bo, ys, yo + r * columns, columns);
          }
        });
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
    float[] means = HeapStorage.floats(mean);
    int mo = HeapStorage.offset(mean);
    NormGradient gradient = new NormGradient(dy, x, weight, rstd, accumulate, dx);
    float[] sums = groupSums(columns);
    int group = group(rows);
    pool.ranges(
        rows,
        group,
        (from, to) -> {
          int at = clearGroup(sums, from / group, columns);
          for (int r = from; r < to; r++) {
            gradient.centredRow(r, means[mo + r], sums, at, at + columns);
          }
        });
    int groups = (rows + group - 1) / group;
    addGroups(sums, 0, groups, columns, dweight);
    if (dbias != null) {
      addGroups(sums, columns, groups, columns, dbias);
    }
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, double epsilon, Tensor y, Tensor rstd) {
    int rows = x.rows();
    int columns = requireRows("rmsNorm", "rmsNorm: x, y", x, weight, y);
    Sizes.require("rmsNorm: rstd", rstd, rows);
    float[] bs = zeros(columns);
    float[] xs = HeapStorage.floats(x);
    float[] ws = HeapStorage.floats(weight);
    float[] ys = HeapStorage.floats(y);
    float[] rstds = HeapStorage.floats(rstd);
    int xo = HeapStorage.offset(x);
    int wo = HeapStorage.offset(weight);
    int yo = HeapStorage.offset(y);
    int ro = HeapStorage.offset(rstd);
    pool.ranges(
        rows,
        grain(columns),
        (from, to) -> {
          for (int r = from; r < to; r++) {
            int at = xo + r * columns;
            float square = NormRows.squares(xs, at, 0, columns) / columns;
            float scale = (float) (1 / Math.sqrt(square + epsilon));
            rstds[ro + r] = scale;
            NormRows.apply(xs, at, 0, scale, ws, wo, bs, 0, ys, yo + r * columns, columns);
          }
        });
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
    NormGradient gradient = new NormGradient(dy, x, weight, rstd, accumulate, dx);
    float[] sums = groupSums(columns);
    int group = group(rows);
    pool.ranges(
        rows,
        group,
        (from, to) -> {
          int at = clearGroup(sums, from / group, columns);
          for (int r = from; r < to; r++) {
            gradient.plainRow(r, sums, at, at + columns);
          }
        });
    addGroups(sums, 0, (rows + group - 1) / group, columns, dweight);
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
