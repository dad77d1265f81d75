package dev.sparrow.backend.cpu;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.BatchNormOps;
import dev.sparrow.backend.HostPool;
import dev.sparrow.tensor.Tensor;

/**
 * Batch normalisation by blocks of rows that stay in a core's cache between the steps on them.
 * Blocks follow from the shape alone; their sums are added in double, in order.
 */
final class CpuBatchNormOps implements BatchNormOps {
  /** Floats of a block, 64 KiB: a step reads two such and writes one. */
  private static final int BLOCK_FLOATS = 1 << 14;

  private final HostPool pool;
  private float[] partials = {}; // (blocks, 2, columns)
  private float[] terms = {}; // (4, columns)
  private double combinedMean; // of the column that combine was asked for
  private double combinedSquares;

  CpuBatchNormOps(HostPool pool) {
    this.pool = pool;
  }

  @Override
  public void statistics(
      Tensor x,
      double epsilon,
      double momentum,
      Tensor mean,
      Tensor rstd,
      Tensor runningMean,
      Tensor runningVariance) {
    int columns = x.columns();
    requireChannels("statistics", columns, mean, rstd, runningMean, runningVariance);
    int rows = x.rows();
    int block = block(columns);
    float[] moments = partials(rows, columns);
    float[] xs = HeapStorage.floats(x);
    int x0 = HeapStorage.offset(x);
    pool.ranges(
        rows,
        block,
        (from, to) -> {
          int at = from / block * 2 * columns;
          BatchNormLoops.moments(xs, x0 + from * columns, to - from, columns, moments, at);
        });
    for (int c = 0; c < columns; c++) {
      combine(moments, rows, columns, c);
      set(mean, c, combinedMean);
      set(rstd, c, 1 / Math.sqrt(combinedSquares / rows + epsilon));
      follow(runningMean, c, momentum, combinedMean);
      follow(runningVariance, c, momentum, combinedSquares / Math.max(1, rows - 1));
    }
  }

  /** Blocks' moments onto each other (Chan et al. 1979). */
  private void combine(float[] moments, int rows, int columns, int c) {
    int block = block(columns);
    combinedMean = 0;
    combinedSquares = 0;
    for (int from = 0, at = c; from < rows; from += block, at += 2 * columns) {
      double count = Math.min(block, rows - from);
      double all = from + count;
      double delta = moments[at] - combinedMean;
      combinedMean += delta * count / all;
      combinedSquares += moments[at + columns] + delta * delta * from * count / all;
    }
  }

  private static void follow(Tensor running, int c, double momentum, double value) {
    set(running, c, (1 - momentum) * get(running, c) + momentum * value);
  }

  @Override
  public void inverseDeviation(Tensor variance, double epsilon, Tensor rstd) {
    requireChannels("inverseDeviation", (int) variance.size(), rstd);
    for (int c = 0; c < variance.size(); c++) {
      set(rstd, c, 1 / Math.sqrt(get(variance, c) + epsilon));
    }
  }

  @Override
  public void apply(
      Tensor x,
      Tensor mean,
      Tensor rstd,
      Tensor weight,
      Tensor bias,
      Tensor residual,
      boolean rectified,
      Tensor y) {
    int columns = x.columns();
    requireChannels("apply", columns, mean, rstd, weight, bias);
    Matrices.check("apply: y", y, x.rows(), columns);
    if (residual != null) {
      Matrices.check("apply: residual", residual, x.rows(), columns);
    }
    float[] t = terms(columns);
    for (int c = 0; c < columns; c++) {
      t[c] = get(mean, c);
      t[columns + c] = get(rstd, c) * get(weight, c);
      t[2 * columns + c] = get(bias, c);
    }
    float[] xs = HeapStorage.floats(x);
    float[] ys = HeapStorage.floats(y);
    int x0 = HeapStorage.offset(x);
    int y0 = HeapStorage.offset(y);
    pool.ranges(
        x.rows(),
        block(columns),
        (from, to) -> {
          int n = (to - from) * columns;
          int at = y0 + from * columns;
          BatchNormLoops.apply(xs, x0 + from * columns, to - from, columns, t, ys, at);
          if (residual != null) {
            int r = HeapStorage.offset(residual) + from * columns;
            RowOps.add(ys, at, HeapStorage.floats(residual), r, ys, at, n);
          }
          if (rectified) {
            ActivationLoops.forward(Activation.RELU, ys, at, ys, at, n);
          }
        });
  }

  @Override
  public void backward(
      Tensor dy,
      Tensor y,
      Tensor x,
      Tensor mean,
      Tensor rstd,
      Tensor weight,
      Tensor dx,
      Tensor dweight,
      Tensor dbias) {
    int rows = x.rows();
    int columns = x.columns();
    requireChannels("backward", columns, mean, rstd, weight, dweight, dbias);
    Matrices.check("backward: dy", dy, rows, columns);
    Matrices.check("backward: dx", dx, rows, columns);
    if (y != null) {
      Matrices.check("backward: y", y, rows, columns);
    }
    rectifyAndSum(dy, y, x, mean);
    float[] t = addParameterGradients(rows, columns, mean, rstd, weight, dweight, dbias);
    float[] dzs = HeapStorage.floats(dy);
    float[] xs = HeapStorage.floats(x);
    float[] dxs = HeapStorage.floats(dx);
    int dz0 = HeapStorage.offset(dy);
    int x0 = HeapStorage.offset(x);
    int dx0 = HeapStorage.offset(dx);
    pool.ranges(
        rows,
        block(columns),
        (from, to) -> {
          int at = from * columns;
          BatchNormLoops.inputGradient(
              dzs, dz0 + at, xs, x0 + at, to - from, columns, t, dxs, dx0 + at);
        });
  }

  private void rectifyAndSum(Tensor dy, Tensor y, Tensor x, Tensor mean) {
    int columns = x.columns();
    int block = block(columns);
    float[] sums = partials(x.rows(), columns);
    float[] dzs = HeapStorage.floats(dy);
    float[] xs = HeapStorage.floats(x);
    float[] means = HeapStorage.floats(mean);
    int dz0 = HeapStorage.offset(dy);
    int x0 = HeapStorage.offset(x);
    int mean0 = HeapStorage.offset(mean);
    pool.ranges(
        x.rows(),
        block,
        (from, to) -> {
          int dz = dz0 + from * columns;
          if (y != null) {
            int at = HeapStorage.offset(y) + from * columns;
            ActivationLoops.backward(
                Activation.RELU,
                HeapStorage.floats(y),
                at,
                dzs,
                dz,
                dzs,
                dz,
                (to - from) * columns);
          }
          int out = from / block * 2 * columns;
          int in = x0 + from * columns;
          BatchNormLoops.sums(dzs, dz, xs, in, to - from, columns, means, mean0, sums, out);
        });
  }

  /** Adds the blocks up, and gives the terms of the input's gradient. */
  private float[] addParameterGradients(
      int rows,
      int columns,
      Tensor mean,
      Tensor rstd,
      Tensor weight,
      Tensor dweight,
      Tensor dbias) {
    float[] t = terms(columns);
    int blocks = (rows + block(columns) - 1) / block(columns);
    for (int c = 0; c < columns; c++) {
      double sum = 0;
      double product = 0;
      for (int b = 0; b < blocks; b++) {
        sum += partials[b * 2 * columns + c];
        product += partials[(b * 2 + 1) * columns + c];
      }
      double r = get(rstd, c);
      product *= r;
      set(dbias, c, get(dbias, c) + sum);
      set(dweight, c, get(dweight, c) + product);
      double slope = r * get(weight, c);
      t[c] = get(mean, c);
      t[columns + c] = (float) slope;
      t[2 * columns + c] = (float) (-slope * sum / rows);
      t[3 * columns + c] = (float) (-slope * r * product / rows);
    }
    return t;
  }

  /** Rows of a block. */
  private static int block(int columns) {
    return Math.max(1, BLOCK_FLOATS / columns);
  }

  private float[] partials(int rows, int columns) {
    int blocks = (rows + block(columns) - 1) / block(columns);
    if (partials.length < blocks * 2 * columns) {
      partials = new float[blocks * 2 * columns];
    }
    return partials;
  }

  private float[] terms(int columns) {
    if (terms.length < 4 * columns) {
      terms = new float[4 * columns];
    }
    return terms;
  }

  private static void requireChannels(String op, int columns, Tensor... vectors) {
    for (Tensor vector : vectors) {
      Sizes.require(op + ": channels", vector, columns);
    }
  }

  private static float get(Tensor vector, int i) {
    return HeapStorage.floats(vector)[HeapStorage.offset(vector) + i];
  }

  private static void set(Tensor vector, int i, double value) {
    HeapStorage.floats(vector)[HeapStorage.offset(vector) + i] = (float) value;
  }
}
