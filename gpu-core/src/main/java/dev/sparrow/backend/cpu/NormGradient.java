package dev.sparrow.backend.cpu;

import dev.sparrow.tensor.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The backward passes over one row: first the means over the row that dx needs, then dx and the
 * row's share of the parameters' gradients.
 */
final class NormGradient {
  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private final float[] dy;
  private final int dyo;
  private final float[] x;
  private final int xo;
  private final float[] weight;
  private final int wo;
  private final float[] rstd;
  private final int ro;
  private final float[] dx;
  private final int dxo;
  private final boolean accumulate;
  private final int columns;

  NormGradient(Tensor dy, Tensor x, Tensor weight, Tensor rstd, boolean accumulate, Tensor dx) {
    this.dy = HeapStorage.floats(dy);
    this.dyo = HeapStorage.offset(dy);
    this.x = HeapStorage.floats(x);
    this.xo = HeapStorage.offset(x);
    this.weight = HeapStorage.floats(weight);
    this.wo = HeapStorage.offset(weight);
    this.rstd = HeapStorage.floats(rstd);
    this.ro = HeapStorage.offset(rstd);
    this.dx = HeapStorage.floats(dx);
    this.dxo = HeapStorage.offset(dx);
    this.accumulate = accumulate;
    this.columns = x.columns();
  }

  /**
   * LayerNorm: {@code dx = rstd·(g - mean(g) - n·mean(g·n))} of row r.
   *
   * @param sums {@code Σ dy·n} from {@code weights} on and {@code Σ dy} from {@code biases} on
   */
  void centredRow(int r, float mean, float[] sums, int weights, int biases) {
    float scale = rstd[ro + r];
    int at = r * columns;
    float g = sumG(dy, dyo + at, weight, wo, columns) / columns;
    float gn = sumGn(dy, dyo + at, x, xo + at, mean, scale, weight, wo, columns) / columns;
    finish(at, mean, scale, g, gn, sums, weights, biases);
  }

  /** RMSNorm: {@code dx = rstd·(g - n·mean(g·n))} of row r; sums as for LayerNorm. */
  void plainRow(int r, float[] sums, int weights, int biases) {
    float scale = rstd[ro + r];
    int at = r * columns;
    float gn = sumGn(dy, dyo + at, x, xo + at, 0, scale, weight, wo, columns) / columns;
    finish(at, 0, scale, 0, gn, sums, weights, biases);
  }

  private void finish(
      int at, float mean, float scale, float g, float gn, float[] sums, int weights, int biases) {
    // One loop for both: the old dx counts once or not at all (and is then not read as a factor).
    if (accumulate) {
      add(
          dy, dyo + at, x, xo + at, weight, wo, mean, scale, g, gn, sums, weights, biases, dx,
          dxo + at, columns);
    } else {
      set(
          dy, dyo + at, x, xo + at, weight, wo, mean, scale, g, gn, sums, weights, biases, dx,
          dxo + at, columns);
    }
  }

  private static float sumG(float[] dy, int dyo, float[] weight, int wo, int n) {
    FloatVector sums = FloatVector.zero(F);
    int whole = Lanes.whole(n);
    for (int i = 0; i < whole; i += LANES) {
      sums =
          FloatVector.fromArray(F, dy, dyo + i).fma(FloatVector.fromArray(F, weight, wo + i), sums);
    }
    float sum = Lanes.sum(sums);
    for (int i = whole; i < n; i++) {
      sum = Math.fma(dy[dyo + i], weight[wo + i], sum);
    }
    return sum;
  }

  private static float sumGn(
      float[] dy,
      int dyo,
      float[] x,
      int xo,
      float mean,
      float rstd,
      float[] weight,
      int wo,
      int n) {
    FloatVector means = FloatVector.broadcast(F, mean);
    FloatVector sums = FloatVector.zero(F);
    int whole = Lanes.whole(n);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector g =
          FloatVector.fromArray(F, dy, dyo + i).mul(FloatVector.fromArray(F, weight, wo + i));
      FloatVector c = FloatVector.fromArray(F, x, xo + i).sub(means);
      sums = g.fma(c.mul(rstd), sums);
    }
    float sum = Lanes.sum(sums);
    for (int i = whole; i < n; i++) {
      sum = Math.fma(dy[dyo + i] * weight[wo + i], (x[xo + i] - mean) * rstd, sum);
    }
    return sum;
  }

  private static void set(
      float[] dy,
      int dyo,
      float[] x,
      int xo,
      float[] weight,
      int wo,
      float mean,
      float rstd,
      float meanG,
      float meanGn,
      float[] sums,
      int weights,
      int biases,
      float[] dx,
      int dxo,
      int n) {
    FloatVector means = FloatVector.broadcast(F, mean);
    FloatVector meansGn = FloatVector.broadcast(F, -meanGn);
    int whole = Lanes.whole(n);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector d = FloatVector.fromArray(F, dy, dyo + i);
      FloatVector c = FloatVector.fromArray(F, x, xo + i).sub(means).mul(rstd);
      FloatVector g = d.mul(FloatVector.fromArray(F, weight, wo + i)).sub(meanG);
      d.fma(c, FloatVector.fromArray(F, sums, weights + i)).intoArray(sums, weights + i);
      d.add(FloatVector.fromArray(F, sums, biases + i)).intoArray(sums, biases + i);
      c.fma(meansGn, g).mul(rstd).intoArray(dx, dxo + i);
    }
    for (int i = whole; i < n; i++) {
      float d = dy[dyo + i];
      float c = (x[xo + i] - mean) * rstd;
      float g = d * weight[wo + i] - meanG;
      sums[weights + i] = Math.fma(d, c, sums[weights + i]);
      sums[biases + i] += d;
      dx[dxo + i] = Math.fma(c, -meanGn, g) * rstd;
    }
  }

  private static void add(
      float[] dy,
      int dyo,
      float[] x,
      int xo,
      float[] weight,
      int wo,
      float mean,
      float rstd,
      float meanG,
      float meanGn,
      float[] sums,
      int weights,
      int biases,
      float[] dx,
      int dxo,
      int n) {
    FloatVector means = FloatVector.broadcast(F, mean);
    FloatVector rstds = FloatVector.broadcast(F, rstd);
    FloatVector meansGn = FloatVector.broadcast(F, -meanGn);
    int whole = Lanes.whole(n);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector d = FloatVector.fromArray(F, dy, dyo + i);
      FloatVector c = FloatVector.fromArray(F, x, xo + i).sub(means).mul(rstds);
      FloatVector g = d.mul(FloatVector.fromArray(F, weight, wo + i)).sub(meanG);
      d.fma(c, FloatVector.fromArray(F, sums, weights + i)).intoArray(sums, weights + i);
      d.add(FloatVector.fromArray(F, sums, biases + i)).intoArray(sums, biases + i);
      c.fma(meansGn, g).fma(rstds, FloatVector.fromArray(F, dx, dxo + i)).intoArray(dx, dxo + i);
    }
    for (int i = whole; i < n; i++) {
      float d = dy[dyo + i];
      float c = (x[xo + i] - mean) * rstd;
      float g = d * weight[wo + i] - meanG;
      sums[weights + i] = Math.fma(d, c, sums[weights + i]);
      sums[biases + i] += d;
      dx[dxo + i] = Math.fma(Math.fma(c, -meanGn, g), rstd, dx[dxo + i]);
    }
  }
}
