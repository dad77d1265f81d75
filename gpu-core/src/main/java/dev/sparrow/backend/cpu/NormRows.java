package dev.sparrow.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The forward passes over one row, which stays in the first-level cache between them. Two
 * accumulators hide the latency of an addition.
 */
final class NormRows {
  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private NormRows() {}

  /** {@code Σ x}. */
  static float sum(float[] x, int at, int n) {
    FloatVector a = FloatVector.zero(F);
    FloatVector b = FloatVector.zero(F);
    int i = 0;
    for (; i <= n - 2 * LANES; i += 2 * LANES) {
      a = a.add(FloatVector.fromArray(F, x, at + i));
      b = b.add(FloatVector.fromArray(F, x, at + i + LANES));
    }
    if (i <= n - LANES) {
      a = a.add(FloatVector.fromArray(F, x, at + i));
      i += LANES;
    }
    float sum = Lanes.sum(a.add(b));
    for (; i < n; i++) {
      sum += x[at + i];
    }
    return sum;
  }

  /** {@code Σ (x - centre)²}. */
  static float squares(float[] x, int at, float centre, int n) {
    FloatVector centres = FloatVector.broadcast(F, centre);
    FloatVector a = FloatVector.zero(F);
    FloatVector b = FloatVector.zero(F);
    int i = 0;
    for (; i <= n - 2 * LANES; i += 2 * LANES) {
      FloatVector d = FloatVector.fromArray(F, x, at + i).sub(centres);
      FloatVector e = FloatVector.fromArray(F, x, at + i + LANES).sub(centres);
      a = d.fma(d, a);
      b = e.fma(e, b);
    }
    if (i <= n - LANES) {
      FloatVector d = FloatVector.fromArray(F, x, at + i).sub(centres);
      a = d.fma(d, a);
      i += LANES;
    }
    float sum = Lanes.sum(a.add(b));
    for (; i < n; i++) {
      float d = x[at + i] - centre;
      sum = Math.fma(d, d, sum);
    }
    return sum;
  }

  /** {@code y = (x - mean)·rstd·weight + bias}. */
  static void apply(
      float[] x,
      int xo,
      float mean,
      float rstd,
      float[] weight,
      int wo,
      float[] bias,
      int bo,
      float[] y,
      int yo,
      int n) {
    int whole = Lanes.whole(n);
    FloatVector means = FloatVector.broadcast(F, mean);
    FloatVector rstds = FloatVector.broadcast(F, rstd);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector.fromArray(F, x, xo + i)
          .sub(means)
          .mul(rstds)
          .fma(FloatVector.fromArray(F, weight, wo + i), FloatVector.fromArray(F, bias, bo + i))
          .intoArray(y, yo + i);
    }
    for (int i = whole; i < n; i++) {
      y[yo + i] = Math.fma((x[xo + i] - mean) * rstd, weight[wo + i], bias[bo + i]);
    }
  }
}
