package dev.sparrow.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Loops over the rows of a block, (rows, columns) floats within the first caches. Sums keep a
 * vector of columns in registers while they go down the rows.
 */
final class BatchNormLoops {
  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private BatchNormLoops() {}

  /**
   * Mean of each column and its squared distances' sum. Distances are taken from the first row,
   * which leaves little to cancel in {@code Σd² - (Σd)²/rows}.
   *
   * @param out means at {@code at}, sums of squares {@code columns} later
   */
  static void moments(float[] x, int x0, int rows, int columns, float[] out, int at) {
    int whole = Lanes.whole(columns);
    for (int c = 0; c < whole; c += LANES) {
      momentsOfVector(x, x0 + c, rows, columns, out, at + c);
    }
    for (int c = whole; c < columns; c++) {
      float shift = x[x0 + c];
      float sum = 0;
      float squares = 0;
      for (int r = 0; r < rows; r++) {
        float d = x[x0 + r * columns + c] - shift;
        sum += d;
        squares = Math.fma(d, d, squares);
      }
      out[at + c] = shift + sum / rows;
      out[at + columns + c] = Math.max(0, squares - sum * (sum / rows));
    }
  }

  private static void momentsOfVector(
      float[] x, int from, int rows, int columns, float[] out, int at) {
    FloatVector shift = FloatVector.fromArray(F, x, from);
    FloatVector sum = FloatVector.zero(F);
    FloatVector squares = FloatVector.zero(F);
    for (int r = 0, i = from; r < rows; r++, i += columns) {
      FloatVector d = FloatVector.fromArray(F, x, i).sub(shift);
      sum = sum.add(d);
      squares = d.fma(d, squares);
    }
    FloatVector mean = sum.div(rows);
    mean.add(shift).intoArray(out, at);
    squares.sub(sum.mul(mean)).max(0).intoArray(out, at + columns);
  }

  /** {@code y = (x - mean)·slope + bias}. */
  static void apply(float[] x, int x0, int rows, int columns, float[] terms, float[] y, int y0) {
    int whole = Lanes.whole(columns);
    for (int r = 0; r < rows; r++, x0 += columns, y0 += columns) {
      for (int c = 0; c < whole; c += LANES) {
        FloatVector.fromArray(F, x, x0 + c)
            .sub(FloatVector.fromArray(F, terms, c))
            .fma(
                FloatVector.fromArray(F, terms, columns + c),
                FloatVector.fromArray(F, terms, 2 * columns + c))
            .intoArray(y, y0 + c);
      }
      for (int c = whole; c < columns; c++) {
        float d = x[x0 + c] - terms[c];
        y[y0 + c] = Math.fma(d, terms[columns + c], terms[2 * columns + c]);
      }
    }
  }

  /**
   * {@code Σ dz} and {@code Σ dz·(x - mean)} of each column.
   *
   * @param out the first sums at {@code at}, the others {@code columns} later
   */
  static void sums(
      float[] dz,
      int dz0,
      float[] x,
      int x0,
      int rows,
      int columns,
      float[] mean,
      int mean0,
      float[] out,
      int at) {
    int whole = Lanes.whole(columns);
    for (int c = 0; c < whole; c += LANES) {
      FloatVector means = FloatVector.fromArray(F, mean, mean0 + c);
      FloatVector sum = FloatVector.zero(F);
      FloatVector product = FloatVector.zero(F);
      for (int r = 0, i = c; r < rows; r++, i += columns) {
        FloatVector d = FloatVector.fromArray(F, dz, dz0 + i);
        sum = sum.add(d);
        product = FloatVector.fromArray(F, x, x0 + i).sub(means).fma(d, product);
      }
      sum.intoArray(out, at + c);
      product.intoArray(out, at + columns + c);
    }
    for (int c = whole; c < columns; c++) {
      float sum = 0;
      float product = 0;
      for (int r = 0, i = c; r < rows; r++, i += columns) {
        sum += dz[dz0 + i];
        product = Math.fma(x[x0 + i] - mean[mean0 + c], dz[dz0 + i], product);
      }
      out[at + c] = sum;
      out[at + columns + c] = product;
    }
  }

  /** {@code dx = dz·slope + (x - mean)·tilt + shift}; terms are mean, slope, shift, tilt. */
  static void inputGradient(
      float[] dz,
      int dz0,
      float[] x,
      int x0,
      int rows,
      int columns,
      float[] terms,
      float[] dx,
      int dx0) {
    int whole = Lanes.whole(columns);
    for (int r = 0, i = 0; r < rows; r++, i += columns) {
      for (int c = 0; c < whole; c += LANES) {
        FloatVector direct =
            FloatVector.fromArray(F, dz, dz0 + i + c)
                .fma(
                    FloatVector.fromArray(F, terms, columns + c),
                    FloatVector.fromArray(F, terms, 2 * columns + c));
        FloatVector.fromArray(F, x, x0 + i + c)
            .sub(FloatVector.fromArray(F, terms, c))
            .fma(FloatVector.fromArray(F, terms, 3 * columns + c), direct)
            .intoArray(dx, dx0 + i + c);
      }
      for (int c = whole; c < columns; c++) {
        float direct = Math.fma(dz[dz0 + i + c], terms[columns + c], terms[2 * columns + c]);
        dx[dx0 + i + c] = Math.fma(x[x0 + i + c] - terms[c], terms[3 * columns + c], direct);
      }
    }
  }
}
