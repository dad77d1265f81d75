package dev.sparrow.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * One row's non-zeros against a tile of {@link BatchTiles}: every non-zero multiplies the vectors
 * of its column. Short static methods with their sums in locals, which the compiler keeps in
 * registers.
 */
final class SparseRowLoops {
  private static final VectorSpecies<Float> SPECIES = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private SparseRowLoops() {}

  /**
   * {@code y += Σ_i v_i·tile[column_i]} over all vectors of a tile.
   *
   * @param v values from v0, {@code count} of them
   * @param columns from c0, likewise
   * @param tile (columns, width) from t0
   * @param y (width) from y0
   */
  static void multiply(
      float[] v,
      int v0,
      int[] columns,
      int c0,
      int count,
      float[] tile,
      int t0,
      int width,
      float[] y,
      int y0) {
    if (width == 4 * LANES) {
      fourVectors(v, v0, columns, c0, count, tile, t0, y, y0);
    } else {
      for (int at = 0; at < width; at += LANES) {
        oneVector(v, v0, columns, c0, count, tile, t0 + at, width, y, y0 + at);
      }
    }
  }

  private static void fourVectors(
      float[] v,
      int v0,
      int[] columns,
      int c0,
      int count,
      float[] tile,
      int t0,
      float[] y,
      int y0) {
    FloatVector a = FloatVector.fromArray(SPECIES, y, y0);
    FloatVector b = FloatVector.fromArray(SPECIES, y, y0 + LANES);
    FloatVector c = FloatVector.fromArray(SPECIES, y, y0 + 2 * LANES);
    FloatVector d = FloatVector.fromArray(SPECIES, y, y0 + 3 * LANES);
    for (int i = 0; i < count; i++) {
      FloatVector w = FloatVector.broadcast(SPECIES, v[v0 + i]);
      int at = t0 + columns[c0 + i] * 4 * LANES;
      a = w.fma(FloatVector.fromArray(SPECIES, tile, at), a);
      b = w.fma(FloatVector.fromArray(SPECIES, tile, at + LANES), b);
      c = w.fma(FloatVector.fromArray(SPECIES, tile, at + 2 * LANES), c);
      d = w.fma(FloatVector.fromArray(SPECIES, tile, at + 3 * LANES), d);
    }
    a.intoArray(y, y0);
    b.intoArray(y, y0 + LANES);
    c.intoArray(y, y0 + 2 * LANES);
    d.intoArray(y, y0 + 3 * LANES);
  }

  /** Four sums, of every fourth non-zero each: one alone would wait for itself. */
  private static void oneVector(
      float[] v,
      int v0,
      int[] columns,
      int c0,
      int count,
      float[] tile,
      int t0,
      int width,
      float[] y,
      int y0) {
    FloatVector a = FloatVector.fromArray(SPECIES, y, y0);
    FloatVector b = FloatVector.zero(SPECIES);
    FloatVector c = FloatVector.zero(SPECIES);
    FloatVector d = FloatVector.zero(SPECIES);
    int i = 0;
    for (; i + 4 <= count; i += 4) {
      a = product(v, v0 + i, columns, c0 + i, tile, t0, width, a);
      b = product(v, v0 + i + 1, columns, c0 + i + 1, tile, t0, width, b);
      c = product(v, v0 + i + 2, columns, c0 + i + 2, tile, t0, width, c);
      d = product(v, v0 + i + 3, columns, c0 + i + 3, tile, t0, width, d);
    }
    for (; i < count; i++) {
      a = product(v, v0 + i, columns, c0 + i, tile, t0, width, a);
    }
    a.add(b).add(c.add(d)).intoArray(y, y0);
  }

  private static FloatVector product(
      float[] v, int vi, int[] columns, int ci, float[] tile, int t0, int width, FloatVector sum) {
    return FloatVector.broadcast(SPECIES, v[vi])
        .fma(FloatVector.fromArray(SPECIES, tile, t0 + columns[ci] * width), sum);
  }

  /** {@code y_i = v_i} in all of its {@code width} elements, whole vectors. */
  static void fill(float[] v, int v0, int count, int width, float[] y, int y0) {
    for (int i = 0; i < count; i++) {
      FloatVector value = FloatVector.broadcast(SPECIES, v[v0 + i]);
      for (int at = 0; at < width; at += LANES) {
        value.intoArray(y, y0 + i * width + at);
      }
    }
  }

  /** {@code Σ_i v_i·x[column_i]} of one row of x, for batches too small for tiles. */
  static float dot(float[] v, int v0, int[] columns, int c0, int count, float[] x, int x0) {
    FloatVector sum = FloatVector.zero(SPECIES);
    int whole = Lanes.whole(count);
    for (int i = 0; i < whole; i += LANES) {
      sum =
          FloatVector.fromArray(SPECIES, v, v0 + i)
              .fma(FloatVector.fromArray(SPECIES, x, x0, columns, c0 + i), sum);
    }
    float rest = 0;
    for (int i = whole; i < count; i++) {
      rest += v[v0 + i] * x[x0 + columns[c0 + i]];
    }
    return Lanes.sum(sum) + rest;
  }

  /** {@code dx[column_i] += v_i·dy}, likewise. */
  static void scatter(
      float dy, float[] v, int v0, int[] columns, int c0, int count, float[] dx, int dx0) {
    for (int i = 0; i < count; i++) {
      dx[dx0 + columns[c0 + i]] += v[v0 + i] * dy;
    }
  }

  /** {@code dv_i += dy·x[column_i]}, likewise. */
  static void gather(
      float dy, float[] x, int x0, int[] columns, int c0, int count, float[] dv, int dv0) {
    int whole = Lanes.whole(count);
    FloatVector scale = FloatVector.broadcast(SPECIES, dy);
    for (int i = 0; i < whole; i += LANES) {
      scale
          .fma(
              FloatVector.fromArray(SPECIES, x, x0, columns, c0 + i),
              FloatVector.fromArray(SPECIES, dv, dv0 + i))
          .intoArray(dv, dv0 + i);
    }
    for (int i = whole; i < count; i++) {
      dv[dv0 + i] = Math.fma(dy, x[x0 + columns[c0 + i]], dv[dv0 + i]);
    }
  }
}
