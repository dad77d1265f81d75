package dev.sparrow.backend.cpu;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Row operations of attention, vectorised. Rows of a scores tile are {@link #stride} elements
 * apart, whole vectors, so that loops over a row's valid elements may run past them to the end of a
 * vector; what lies there is cleared.
 */
final class AttentionRows {
  private static final VectorSpecies<Float> SPECIES = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private AttentionRows() {}

  /** {@code length} rounded up to whole vectors. */
  static int stride(int length) {
    return (length + LANES - 1) / LANES * LANES;
  }

  /** Largest of x[at, at + valid). The rest of the last vector is set to -inf. */
  static float max(float[] x, int at, int valid) {
    int end = at + stride(valid);
    Arrays.fill(x, at + valid, end, Float.NEGATIVE_INFINITY);
    FloatVector max = FloatVector.fromArray(SPECIES, x, at);
    for (int i = at + LANES; i < end; i += LANES) {
      max = max.max(FloatVector.fromArray(SPECIES, x, i));
    }
    return max.reduceLanes(VectorOperators.MAX);
  }

  /**
   * {@code x = exp(x - shift)} over the valid elements, 0 in the rest of the row; returns the sum.
   */
  static float exp(float[] x, int at, int valid, int stride, float shift) {
    int end = at + stride(valid);
    Arrays.fill(x, at + valid, end, Float.NEGATIVE_INFINITY);
    FloatVector sum = FloatVector.zero(SPECIES);
    for (int i = at; i < end; i += LANES) {
      FloatVector e = VectorMath.expOfNegative(FloatVector.fromArray(SPECIES, x, i).sub(shift));
      e.intoArray(x, i);
      sum = sum.add(e);
    }
    Arrays.fill(x, at + valid, at + stride, 0);
    return Lanes.sum(sum);
  }

  /** {@code x *= factors} over the valid elements. */
  static void multiply(float[] x, int at, float[] factors, int valid) {
    for (int i = 0; i < valid; i++) {
      x[at + i] *= factors[i];
    }
  }

  /** {@code x *= factor} over n elements. */
  static void scale(float[] x, int at, int n, float factor) {
    for (int i = at; i < at + n; i++) {
      x[i] *= factor;
    }
  }

  /** {@code ds = p·(ds - dot)} over the valid elements, 0 in the rest of the row. */
  static void scoreGradient(float[] p, float[] ds, int at, int valid, int stride, float dot) {
    int end = at + stride(valid);
    for (int i = at; i < end; i += LANES) {
      FloatVector d = FloatVector.fromArray(SPECIES, ds, i).sub(dot);
      d.mul(FloatVector.fromArray(SPECIES, p, i)).intoArray(ds, i);
    }
    Arrays.fill(ds, at + valid, at + stride, 0);
  }

  /** {@code Σ a·b} over n elements. */
  static float dot(float[] a, int a0, float[] b, int b0, int n) {
    FloatVector sum = FloatVector.zero(SPECIES);
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      FloatVector left = FloatVector.fromArray(SPECIES, a, a0 + i);
      sum = left.fma(FloatVector.fromArray(SPECIES, b, b0 + i), sum);
    }
    float dot = Lanes.sum(sum);
    for (; i < n; i++) {
      dot += a[a0 + i] * b[b0 + i];
    }
    return dot;
  }
}
