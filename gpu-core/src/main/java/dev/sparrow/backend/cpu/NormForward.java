package dev.sparrow.backend.cpu;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** The passes of {@code y = (x - mean)·rstd·weight + bias}. */
final class NormForward {
  /** Means, their spread, the result. */
  static final NormPass[] LAYER_NORM = {NormForward::mean, NormForward::rstd, NormForward::apply};

  /** The same about 0. */
  static final NormPass[] RMS_NORM = {
    NormForward::centreOnZero, NormForward::rstd, NormForward::apply
  };

  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private NormForward() {}

  private static void centreOnZero(NormBlock b) {
    Arrays.fill(b.centre, 0);
  }

  private static void mean(NormBlock b) {
    for (int r = b.first; r < b.end; r++) {
      float mean = sum(b.x, b.xo + r * b.columns, b.columns) / b.columns;
      b.centre[r - b.first] = mean;
      b.mean[b.mo + r] = mean;
    }
  }

  private static void rstd(NormBlock b) {
    for (int r = b.first; r < b.end; r++) {
      float centre = b.centre[r - b.first];
      float variance = squares(b.x, b.xo + r * b.columns, centre, b.columns) / b.columns;
      b.rstd[b.ro + r] = (float) (1 / Math.sqrt(variance + b.epsilon));
    }
  }

  private static void apply(NormBlock b) {
    for (int r = b.first; r < b.end; r++) {
      int at = r * b.columns;
      apply(b, b.xo + at, b.centre[r - b.first], b.rstd[b.ro + r], b.yo + at);
    }
  }

  /** {@code Σ x}. Two accumulators hide the latency of an addition. */
  private static float sum(float[] x, int at, int n) {
    FloatVector even = FloatVector.zero(F);
    FloatVector odd = FloatVector.zero(F);
    int i = 0;
    for (; i <= n - 2 * LANES; i += 2 * LANES) {
      even = even.add(FloatVector.fromArray(F, x, at + i));
      odd = odd.add(FloatVector.fromArray(F, x, at + i + LANES));
    }
    if (i <= n - LANES) {
      even = even.add(FloatVector.fromArray(F, x, at + i));
      i += LANES;
    }
    float sum = Lanes.sum(even.add(odd));
    for (; i < n; i++) {
      sum += x[at + i];
    }
    return sum;
  }

  /** {@code Σ (x - centre)²}. */
  private static float squares(float[] x, int at, float centre, int n) {
    FloatVector even = FloatVector.zero(F);
    FloatVector odd = FloatVector.zero(F);
    int i = 0;
    for (; i <= n - 2 * LANES; i += 2 * LANES) {
      FloatVector d = FloatVector.fromArray(F, x, at + i).sub(centre);
      FloatVector e = FloatVector.fromArray(F, x, at + i + LANES).sub(centre);
      even = d.fma(d, even);
      odd = e.fma(e, odd);
    }
    if (i <= n - LANES) {
      FloatVector d = FloatVector.fromArray(F, x, at + i).sub(centre);
      even = d.fma(d, even);
      i += LANES;
    }
    float sum = Lanes.sum(even.add(odd));
    for (; i < n; i++) {
      float d = x[at + i] - centre;
      sum = Math.fma(d, d, sum);
    }
    return sum;
  }

  private static void apply(NormBlock b, int x, float mean, float rstd, int y) {
    int n = b.columns;
    int whole = Lanes.whole(n);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector.fromArray(F, b.x, x + i)
          .sub(mean)
          .mul(rstd)
          .fma(
              FloatVector.fromArray(F, b.weight, b.wo + i),
              FloatVector.fromArray(F, b.bias, b.bo + i))
          .intoArray(b.y, y + i);
    }
    for (int i = whole; i < n; i++) {
      b.y[y + i] = Math.fma((b.x[x + i] - mean) * rstd, b.weight[b.wo + i], b.bias[b.bo + i]);
    }
  }
}
