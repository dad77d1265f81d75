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
   * {@code y = Σ_i v_i·tile[column_i]}, or {@code +=} with add, over all vectors of a tile.
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
      int y0,
      boolean add) {
    if (width == 4 * LANES) {
      fourVectors(v, v0, columns, c0, count, tile, t0, y, y0, add);
    } else {
      for (int at = 0; at < width; at += LANES) {
        oneVector(v, v0, columns, c0, count, tile, t0 + at, width, y, y0 + at, add);
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
      int y0,
      boolean add) {
    FloatVector a = add ? FloatVector.fromArray(SPECIES, y, y0) : FloatVector.zero(SPECIES);
    FloatVector b = add ? FloatVector.fromArray(SPECIES, y, y0 + LANES) : FloatVector.zero(SPECIES);
    FloatVector c =
        add ? FloatVector.fromArray(SPECIES, y, y0 + 2 * LANES) : FloatVector.zero(SPECIES);
    FloatVector d =
        add ? FloatVector.fromArray(SPECIES, y, y0 + 3 * LANES) : FloatVector.zero(SPECIES);
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
      int y0,
      boolean add) {
    FloatVector a = add ? FloatVector.fromArray(SPECIES, y, y0) : FloatVector.zero(SPECIES);
    for (int i = 0; i < count; i++) {
      FloatVector w = FloatVector.broadcast(SPECIES, v[v0 + i]);
      a = w.fma(FloatVector.fromArray(SPECIES, tile, t0 + columns[c0 + i] * width), a);
    }
    a.intoArray(y, y0);
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
}
