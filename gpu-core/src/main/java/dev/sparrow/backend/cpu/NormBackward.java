package dev.sparrow.backend.cpu;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The passes of {@code dx = rstd·(g - mean(g) - n·mean(g·n))} with {@code n = (x - mean)·rstd} and
 * {@code g = dy·weight}, and of the rows' share of the parameters' gradients. RMSNorm has mean = 0
 * and no mean(g).
 */
final class NormBackward {
  static final NormPass[] LAYER_NORM = {
    NormBackward::meanG, NormBackward::meanGn, NormBackward::parameters, NormBackward::set
  };

  /** {@code dx +=}. */
  static final NormPass[] LAYER_NORM_ADD = {
    NormBackward::meanG, NormBackward::meanGn, NormBackward::parameters, NormBackward::add
  };

  static final NormPass[] RMS_NORM = {
    NormBackward::centreOnZero, NormBackward::meanGn, NormBackward::parameters, NormBackward::set
  };

  /** {@code dx +=}. */
  static final NormPass[] RMS_NORM_ADD = {
    NormBackward::centreOnZero, NormBackward::meanGn, NormBackward::parameters, NormBackward::add
  };

  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private NormBackward() {}

  private static void centreOnZero(NormBlock b) {
    Arrays.fill(b.centre, 0);
    Arrays.fill(b.meanG, 0);
  }

  private static void meanG(NormBlock b) {
    for (int r = b.first; r < b.end; r++) {
      int dy = b.dyo + r * b.columns;
      b.meanG[r - b.first] = RowOps.dot(b.dy, dy, b.weight, b.wo, b.columns) / b.columns;
      b.centre[r - b.first] = b.mean[b.mo + r];
    }
  }

  private static void meanGn(NormBlock b) {
    for (int r = b.first; r < b.end; r++) {
      int at = r * b.columns;
      float sum = sumGc(b, b.dyo + at, b.xo + at, b.centre[r - b.first]);
      b.meanGn[r - b.first] = sum * b.rstd[b.ro + r] / b.columns;
    }
  }

  /** {@code Σ g·(x - mean)}. */
  private static float sumGc(NormBlock b, int dy, int x, float mean) {
    FloatVector sums = FloatVector.zero(F);
    int n = b.columns;
    int whole = Lanes.whole(n);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector g =
          FloatVector.fromArray(F, b.dy, dy + i).mul(FloatVector.fromArray(F, b.weight, b.wo + i));
      sums = FloatVector.fromArray(F, b.x, x + i).sub(mean).fma(g, sums);
    }
    float sum = Lanes.sum(sums);
    for (int i = whole; i < n; i++) {
      sum = Math.fma(b.x[x + i] - mean, b.dy[dy + i] * b.weight[b.wo + i], sum);
    }
    return sum;
  }

  /** {@code Σ dy·n} and {@code Σ dy} over the rows of the block. */
  private static void parameters(NormBlock b) {
    for (int r = b.first; r < b.end; r++) {
      int at = r * b.columns;
      parameters(b, b.dyo + at, b.xo + at, b.centre[r - b.first], b.rstd[b.ro + r]);
    }
  }

  private static void parameters(NormBlock b, int dy, int x, float mean, float rstd) {
    float[] sums = b.sums;
    int n = b.columns;
    int whole = Lanes.whole(n);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector d = FloatVector.fromArray(F, b.dy, dy + i);
      FloatVector c = FloatVector.fromArray(F, b.x, x + i).sub(mean).mul(rstd);
      int w = b.dweights + i;
      int bias = b.dbiases + i;
      d.fma(c, FloatVector.fromArray(F, sums, w)).intoArray(sums, w);
      d.add(FloatVector.fromArray(F, sums, bias)).intoArray(sums, bias);
    }
    for (int i = whole; i < n; i++) {
      float d = b.dy[dy + i];
      float c = (b.x[x + i] - mean) * rstd;
      sums[b.dweights + i] = Math.fma(d, c, sums[b.dweights + i]);
      sums[b.dbiases + i] += d;
    }
  }

  private static void set(NormBlock b) {
    for (int r = b.first; r < b.end; r++) {
      int i = r - b.first;
      int at = r * b.columns;
      float rstd = b.rstd[b.ro + r];
      // n·mean(g·n) with rstd taken out of n.
      float slope = -b.meanGn[i] * rstd;
      set(b, b.dyo + at, b.xo + at, b.centre[i], b.meanG[i], slope, rstd, b.dxo + at);
    }
  }

  private static void set(
      NormBlock b, int dy, int x, float mean, float meanG, float slope, float rstd, int dx) {
    int n = b.columns;
    int whole = Lanes.whole(n);
    FloatVector slopes = FloatVector.broadcast(F, slope);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector g =
          FloatVector.fromArray(F, b.dy, dy + i)
              .mul(FloatVector.fromArray(F, b.weight, b.wo + i))
              .sub(meanG);
      FloatVector.fromArray(F, b.x, x + i)
          .sub(mean)
          .fma(slopes, g)
          .mul(rstd)
          .intoArray(b.dx, dx + i);
    }
    for (int i = whole; i < n; i++) {
      float g = b.dy[dy + i] * b.weight[b.wo + i] - meanG;
      b.dx[dx + i] = Math.fma(b.x[x + i] - mean, slope, g) * rstd;
    }
  }

  private static void add(NormBlock b) {
    for (int r = b.first; r < b.end; r++) {
      int i = r - b.first;
      int at = r * b.columns;
      float rstd = b.rstd[b.ro + r];
      float slope = -b.meanGn[i] * rstd;
      add(b, b.dyo + at, b.xo + at, b.centre[i], b.meanG[i], slope, rstd, b.dxo + at);
    }
  }

  private static void add(
      NormBlock b, int dy, int x, float mean, float meanG, float slope, float rstd, int dx) {
    int n = b.columns;
    int whole = Lanes.whole(n);
    FloatVector slopes = FloatVector.broadcast(F, slope);
    FloatVector rstds = FloatVector.broadcast(F, rstd);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector g =
          FloatVector.fromArray(F, b.dy, dy + i)
              .mul(FloatVector.fromArray(F, b.weight, b.wo + i))
              .sub(meanG);
      FloatVector.fromArray(F, b.x, x + i)
          .sub(mean)
          .fma(slopes, g)
          .fma(rstds, FloatVector.fromArray(F, b.dx, dx + i))
          .intoArray(b.dx, dx + i);
    }
    for (int i = whole; i < n; i++) {
      float g = b.dy[dy + i] * b.weight[b.wo + i] - meanG;
      b.dx[dx + i] = Math.fma(Math.fma(b.x[x + i] - mean, slope, g), rstd, b.dx[dx + i]);
    }
  }
}
