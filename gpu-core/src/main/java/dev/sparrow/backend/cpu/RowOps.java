package dev.sparrow.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Loops over one run of floats. Each element's result is the same whether it falls on a vector or
 * on the tail, since the tail uses the same correctly rounded operations.
 */
final class RowOps {
  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private RowOps() {}

  /** {@code out = a + b}. */
  static void add(float[] a, int ao, float[] b, int bo, float[] out, int oo, int n) {
    int whole = Lanes.whole(n);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector.fromArray(F, a, ao + i)
          .add(FloatVector.fromArray(F, b, bo + i))
          .intoArray(out, oo + i);
    }
    for (int i = whole; i < n; i++) {
      out[oo + i] = a[ao + i] + b[bo + i];
    }
  }

  /** {@code out = a·b}, element by element. */
  static void mul(float[] a, int ao, float[] b, int bo, float[] out, int oo, int n) {
    int whole = Lanes.whole(n);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector.fromArray(F, a, ao + i)
          .mul(FloatVector.fromArray(F, b, bo + i))
          .intoArray(out, oo + i);
    }
    for (int i = whole; i < n; i++) {
      out[oo + i] = a[ao + i] * b[bo + i];
    }
  }

  /** {@code out += alpha·x}, fused. */
  static void axpy(float alpha, float[] x, int xo, float[] out, int oo, int n) {
    int whole = Lanes.whole(n);
    FloatVector alphas = FloatVector.broadcast(F, alpha);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector.fromArray(F, x, xo + i)
          .fma(alphas, FloatVector.fromArray(F, out, oo + i))
          .intoArray(out, oo + i);
    }
    for (int i = whole; i < n; i++) {
      out[oo + i] = Math.fma(x[xo + i], alpha, out[oo + i]);
    }
  }

  /** {@code out = alpha·x}. */
  static void scale(float alpha, float[] x, int xo, float[] out, int oo, int n) {
    int whole = Lanes.whole(n);
    FloatVector alphas = FloatVector.broadcast(F, alpha);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector.fromArray(F, x, xo + i).mul(alphas).intoArray(out, oo + i);
    }
    for (int i = whole; i < n; i++) {
      out[oo + i] = x[xo + i] * alpha;
    }
  }

  /** {@code out = alpha·x}, and {@code <x, y>} is returned; out may be y. */
  static float scaleDot(
      float alpha, float[] x, int xo, float[] y, int yo, float[] out, int oo, int n) {
    int whole = Lanes.whole(n);
    FloatVector alphas = FloatVector.broadcast(F, alpha);
    FloatVector dots = FloatVector.zero(F);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector xs = FloatVector.fromArray(F, x, xo + i);
      dots = xs.fma(FloatVector.fromArray(F, y, yo + i), dots);
      xs.mul(alphas).intoArray(out, oo + i);
    }
    float dot = Lanes.sum(dots);
    for (int i = whole; i < n; i++) {
      float xi = x[xo + i];
      dot = Math.fma(xi, y[yo + i], dot);
      out[oo + i] = xi * alpha;
    }
    return dot;
  }

  /** {@code <x, y>}. */
  static float dot(float[] x, int xo, float[] y, int yo, int n) {
    int whole = Lanes.whole(n);
    FloatVector dots = FloatVector.zero(F);
    for (int i = 0; i < whole; i += LANES) {
      dots = FloatVector.fromArray(F, x, xo + i).fma(FloatVector.fromArray(F, y, yo + i), dots);
    }
    float dot = Lanes.sum(dots);
    for (int i = whole; i < n; i++) {
      dot = Math.fma(x[xo + i], y[yo + i], dot);
    }
    return dot;
  }

  /** {@code y = x·(y + shift)}. */
  static void shiftScale(float shift, float[] x, int xo, float[] y, int yo, int n) {
    int whole = Lanes.whole(n);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector.fromArray(F, y, yo + i)
          .add(shift)
          .mul(FloatVector.fromArray(F, x, xo + i))
          .intoArray(y, yo + i);
    }
    for (int i = whole; i < n; i++) {
      y[yo + i] = x[xo + i] * (y[yo + i] + shift);
    }
  }
}
