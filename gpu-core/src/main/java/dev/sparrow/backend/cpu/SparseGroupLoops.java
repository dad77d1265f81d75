package dev.sparrow.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Four rows that share their columns against a tile of {@link BatchTiles}: each vector that is
 * loaded serves four multiply-adds, so that arithmetic and not the cache is the limit.
 */
final class SparseGroupLoops {
  /** Rows taken together. */
  static final int ROWS = 4;

  private static final VectorSpecies<Float> SPECIES = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private SparseGroupLoops() {}

  /**
   * {@code y_r += Σ_i v_ri·tile[column_i]} for four rows r.
   *
   * @param v (4, stride) from v0, {@code count} of each row
   * @param columns from c0, shared by the rows
   * @param tile (columns, width) from t0
   * @param y (4, width) from y0
   */
  static void multiply(
      float[] v,
      int v0,
      int stride,
      int[] columns,
      int c0,
      int count,
      float[] tile,
      int t0,
      int width,
      float[] y,
      int y0) {
    int at = 0;
    for (; at + 2 * LANES <= width; at += 2 * LANES) {
      twoVectors(v, v0, stride, columns, c0, count, tile, t0 + at, width, y, y0 + at);
    }
    if (at < width) {
      oneVector(v, v0, stride, columns, c0, count, tile, t0 + at, width, y, y0 + at);
    }
  }

  private static void twoVectors(
      float[] v,
      int v0,
      int stride,
      int[] columns,
      int c0,
      int count,
      float[] tile,
      int t0,
      int width,
      float[] y,
      int y0) {
    FloatVector a0 = FloatVector.fromArray(SPECIES, y, y0);
    FloatVector a1 = FloatVector.fromArray(SPECIES, y, y0 + LANES);
    FloatVector b0 = FloatVector.fromArray(SPECIES, y, y0 + width);
    FloatVector b1 = FloatVector.fromArray(SPECIES, y, y0 + width + LANES);
    FloatVector c0v = FloatVector.fromArray(SPECIES, y, y0 + 2 * width);
    FloatVector c1v = FloatVector.fromArray(SPECIES, y, y0 + 2 * width + LANES);
    FloatVector d0 = FloatVector.fromArray(SPECIES, y, y0 + 3 * width);
    FloatVector d1 = FloatVector.fromArray(SPECIES, y, y0 + 3 * width + LANES);
    for (int i = 0; i < count; i++) {
      int at = t0 + columns[c0 + i] * width;
      FloatVector x0 = FloatVector.fromArray(SPECIES, tile, at);
      FloatVector x1 = FloatVector.fromArray(SPECIES, tile, at + LANES);
      int vi = v0 + i;
      FloatVector w = FloatVector.broadcast(SPECIES, v[vi]);
      a0 = w.fma(x0, a0);
      a1 = w.fma(x1, a1);
      w = FloatVector.broadcast(SPECIES, v[vi + stride]);
      b0 = w.fma(x0, b0);
      b1 = w.fma(x1, b1);
      w = FloatVector.broadcast(SPECIES, v[vi + 2 * stride]);
      c0v = w.fma(x0, c0v);
      c1v = w.fma(x1, c1v);
      w = FloatVector.broadcast(SPECIES, v[vi + 3 * stride]);
      d0 = w.fma(x0, d0);
      d1 = w.fma(x1, d1);
    }
    a0.intoArray(y, y0);
    a1.intoArray(y, y0 + LANES);
    b0.intoArray(y, y0 + width);
    b1.intoArray(y, y0 + width + LANES);
    c0v.intoArray(y, y0 + 2 * width);
    c1v.intoArray(y, y0 + 2 * width + LANES);
    d0.intoArray(y, y0 + 3 * width);
    d1.intoArray(y, y0 + 3 * width + LANES);
  }

  private static void oneVector(
      float[] v,
      int v0,
      int stride,
      int[] columns,
      int c0,
      int count,
      float[] tile,
      int t0,
      int width,
      float[] y,
      int y0) {
    FloatVector a = FloatVector.fromArray(SPECIES, y, y0);
    FloatVector b = FloatVector.fromArray(SPECIES, y, y0 + width);
    FloatVector c = FloatVector.fromArray(SPECIES, y, y0 + 2 * width);
    FloatVector d = FloatVector.fromArray(SPECIES, y, y0 + 3 * width);
    for (int i = 0; i < count; i++) {
      FloatVector x = FloatVector.fromArray(SPECIES, tile, t0 + columns[c0 + i] * width);
      int vi = v0 + i;
      a = FloatVector.broadcast(SPECIES, v[vi]).fma(x, a);
      b = FloatVector.broadcast(SPECIES, v[vi + stride]).fma(x, b);
      c = FloatVector.broadcast(SPECIES, v[vi + 2 * stride]).fma(x, c);
      d = FloatVector.broadcast(SPECIES, v[vi + 3 * stride]).fma(x, d);
    }
    a.intoArray(y, y0);
    b.intoArray(y, y0 + width);
    c.intoArray(y, y0 + 2 * width);
    d.intoArray(y, y0 + 3 * width);
  }

  /**
   * {@code dx[column_i] += Σ_r v_ri·dy_r} over four rows r: the transposed product, written where
   * its columns lie.
   *
   * @param v (4, stride) from v0, {@code count} of each row
   * @param columns from c0, shared by the rows
   * @param dy (4, width) from dy0
   * @param dx (columns, width) from dx0
   */
  static void scatter(
      float[] v,
      int v0,
      int stride,
      int[] columns,
      int c0,
      int count,
      float[] dy,
      int dy0,
      int width,
      float[] dx,
      int dx0) {
    int at = 0;
    for (; at + 2 * LANES <= width; at += 2 * LANES) {
      scatterTwoVectors(v, v0, stride, columns, c0, count, dy, dy0 + at, width, dx, dx0 + at);
    }
    if (at < width) {
      scatterOneVector(v, v0, stride, columns, c0, count, dy, dy0 + at, width, dx, dx0 + at);
    }
  }

  private static void scatterTwoVectors(
      float[] v,
      int v0,
      int stride,
      int[] columns,
      int c0,
      int count,
      float[] dy,
      int dy0,
      int width,
      float[] dx,
      int dx0) {
    FloatVector a0 = FloatVector.fromArray(SPECIES, dy, dy0);
    FloatVector a1 = FloatVector.fromArray(SPECIES, dy, dy0 + LANES);
    FloatVector b0 = FloatVector.fromArray(SPECIES, dy, dy0 + width);
    FloatVector b1 = FloatVector.fromArray(SPECIES, dy, dy0 + width + LANES);
    FloatVector c0v = FloatVector.fromArray(SPECIES, dy, dy0 + 2 * width);
    FloatVector c1v = FloatVector.fromArray(SPECIES, dy, dy0 + 2 * width + LANES);
    FloatVector d0 = FloatVector.fromArray(SPECIES, dy, dy0 + 3 * width);
    FloatVector d1 = FloatVector.fromArray(SPECIES, dy, dy0 + 3 * width + LANES);
    for (int i = 0; i < count; i++) {
      int at = dx0 + columns[c0 + i] * width;
      FloatVector s0 = FloatVector.fromArray(SPECIES, dx, at);
      FloatVector s1 = FloatVector.fromArray(SPECIES, dx, at + LANES);
      int vi = v0 + i;
      FloatVector w = FloatVector.broadcast(SPECIES, v[vi]);
      s0 = w.fma(a0, s0);
      s1 = w.fma(a1, s1);
      w = FloatVector.broadcast(SPECIES, v[vi + stride]);
      s0 = w.fma(b0, s0);
      s1 = w.fma(b1, s1);
      w = FloatVector.broadcast(SPECIES, v[vi + 2 * stride]);
      s0 = w.fma(c0v, s0);
      s1 = w.fma(c1v, s1);
      w = FloatVector.broadcast(SPECIES, v[vi + 3 * stride]);
      s0 = w.fma(d0, s0);
      s1 = w.fma(d1, s1);
      s0.intoArray(dx, at);
      s1.intoArray(dx, at + LANES);
    }
  }

  private static void scatterOneVector(
      float[] v,
      int v0,
      int stride,
      int[] columns,
      int c0,
      int count,
      float[] dy,
      int dy0,
      int width,
      float[] dx,
      int dx0) {
    FloatVector a = FloatVector.fromArray(SPECIES, dy, dy0);
    FloatVector b = FloatVector.fromArray(SPECIES, dy, dy0 + width);
    FloatVector c = FloatVector.fromArray(SPECIES, dy, dy0 + 2 * width);
    FloatVector d = FloatVector.fromArray(SPECIES, dy, dy0 + 3 * width);
    for (int i = 0; i < count; i++) {
      int at = dx0 + columns[c0 + i] * width;
      int vi = v0 + i;
      FloatVector sum = FloatVector.fromArray(SPECIES, dx, at);
      sum = FloatVector.broadcast(SPECIES, v[vi]).fma(a, sum);
      sum = FloatVector.broadcast(SPECIES, v[vi + stride]).fma(b, sum);
      sum = FloatVector.broadcast(SPECIES, v[vi + 2 * stride]).fma(c, sum);
      sum = FloatVector.broadcast(SPECIES, v[vi + 3 * stride]).fma(d, sum);
      sum.intoArray(dx, at);
    }
  }
}
