package dev.sparrow.backend.cpu;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Sampled dense-dense products over tiles of {@link BatchTiles}: a row of dy stays in registers
 * while the columns of x that its non-zeros name pass by. Each non-zero's sum stays a vector until
 * the last tile, and is folded once.
 */
final class SampledLoops {
  private static final VectorSpecies<Float> SPECIES = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private SampledLoops() {}

  /** Empties the sums of {@code count} non-zeros. */
  static void clear(float[] sums, int sums0, int count) {
    Arrays.fill(sums, sums0, sums0 + count * LANES, 0);
  }

  /**
   * {@code sums_i += dy·x[column_i]}, lane by lane, over all vectors of a tile.
   *
   * @param dy (width) from dy0
   * @param x (columns, width) from x0
   * @param columns from c0, {@code count} of them
   * @param sums (count, lanes) from sums0
   */
  static void row(
      float[] dy,
      int dy0,
      float[] x,
      int x0,
      int width,
      int[] columns,
      int c0,
      int count,
      float[] sums,
      int sums0) {
    if (width == 4 * LANES) {
      fourVectors(dy, dy0, x, x0, columns, c0, count, sums, sums0);
      return;
    }
    for (int at = 0; at < width; at += LANES) {
      oneVector(dy, dy0 + at, x, x0 + at, width, columns, c0, count, sums, sums0);
    }
  }

  private static void fourVectors(
      float[] dy,
      int dy0,
      float[] x,
      int x0,
      int[] columns,
      int c0,
      int count,
      float[] sums,
      int sums0) {
    FloatVector a = FloatVector.fromArray(SPECIES, dy, dy0);
    FloatVector b = FloatVector.fromArray(SPECIES, dy, dy0 + LANES);
    FloatVector c = FloatVector.fromArray(SPECIES, dy, dy0 + 2 * LANES);
    FloatVector d = FloatVector.fromArray(SPECIES, dy, dy0 + 3 * LANES);
    for (int i = 0; i < count; i++) {
      int at = x0 + columns[c0 + i] * 4 * LANES;
      FloatVector sum = FloatVector.fromArray(SPECIES, sums, sums0 + i * LANES);
      sum = a.fma(FloatVector.fromArray(SPECIES, x, at), sum);
      sum = b.fma(FloatVector.fromArray(SPECIES, x, at + LANES), sum);
      sum = c.fma(FloatVector.fromArray(SPECIES, x, at + 2 * LANES), sum);
      sum = d.fma(FloatVector.fromArray(SPECIES, x, at + 3 * LANES), sum);
      sum.intoArray(sums, sums0 + i * LANES);
    }
  }

  private static void oneVector(
      float[] dy,
      int dy0,
      float[] x,
      int x0,
      int width,
      int[] columns,
      int c0,
      int count,
      float[] sums,
      int sums0) {
    FloatVector a = FloatVector.fromArray(SPECIES, dy, dy0);
    for (int i = 0; i < count; i++) {
      int at = sums0 + i * LANES;
      FloatVector xs = FloatVector.fromArray(SPECIES, x, x0 + columns[c0 + i] * width);
      a.fma(xs, FloatVector.fromArray(SPECIES, sums, at)).intoArray(sums, at);
    }
  }

  /**
   * The same for two whole tiles at once, which halves the traffic of the sums.
   *
   * @param dy0 first element of the row in one tile, {@code dy1} in the other
   * @param x0 first element of one tile, {@code x1} of the other
   */
  static void rowOfTwoTiles(
      float[] dy,
      int dy0,
      int dy1,
      float[] x,
      int x0,
      int x1,
      int[] columns,
      int c0,
      int count,
      float[] sums,
      int sums0) {
    FloatVector a = FloatVector.fromArray(SPECIES, dy, dy0);
    FloatVector b = FloatVector.fromArray(SPECIES, dy, dy0 + LANES);
    FloatVector c = FloatVector.fromArray(SPECIES, dy, dy0 + 2 * LANES);
    FloatVector d = FloatVector.fromArray(SPECIES, dy, dy0 + 3 * LANES);
    FloatVector e = FloatVector.fromArray(SPECIES, dy, dy1);
    FloatVector f = FloatVector.fromArray(SPECIES, dy, dy1 + LANES);
    FloatVector g = FloatVector.fromArray(SPECIES, dy, dy1 + 2 * LANES);
    FloatVector h = FloatVector.fromArray(SPECIES, dy, dy1 + 3 * LANES);
    for (int i = 0; i < count; i++) {
      int column = columns[c0 + i] * 4 * LANES;
      int at = x0 + column;
      FloatVector s = FloatVector.fromArray(SPECIES, sums, sums0 + i * LANES);
      s = a.fma(FloatVector.fromArray(SPECIES, x, at), s);
      FloatVector t = e.mul(FloatVector.fromArray(SPECIES, x, x1 + column));
      s = b.fma(FloatVector.fromArray(SPECIES, x, at + LANES), s);
      t = f.fma(FloatVector.fromArray(SPECIES, x, x1 + column + LANES), t);
      s = c.fma(FloatVector.fromArray(SPECIES, x, at + 2 * LANES), s);
      t = g.fma(FloatVector.fromArray(SPECIES, x, x1 + column + 2 * LANES), t);
      s = d.fma(FloatVector.fromArray(SPECIES, x, at + 3 * LANES), s);
      t = h.fma(FloatVector.fromArray(SPECIES, x, x1 + column + 3 * LANES), t);
      s.add(t).intoArray(sums, sums0 + i * LANES);
    }
  }

  /**
   * The same for four rows that share their columns.
   *
   * @param dy (4, width) from dy0
   * @param sums (count, 4, lanes) from sums0
   */
  static void group(
      float[] dy,
      int dy0,
      float[] x,
      int x0,
      int width,
      int[] columns,
      int c0,
      int count,
      float[] sums,
      int sums0) {
    if (width == 4 * LANES) {
      fourRowsOfFourVectors(dy, dy0, x, x0, columns, c0, count, sums, sums0);
      return;
    }
    for (int at = 0; at < width; at += LANES) {
      groupOneVector(dy, dy0 + at, x, x0 + at, width, columns, c0, count, sums, sums0);
    }
  }

  private static void fourRowsOfFourVectors(
      float[] dy,
      int dy0,
      float[] x,
      int x0,
      int[] columns,
      int first,
      int count,
      float[] sums,
      int sums0) {
    FloatVector a0 = load(dy, dy0);
    FloatVector a1 = load(dy, dy0 + LANES);
    FloatVector a2 = load(dy, dy0 + 2 * LANES);
    FloatVector a3 = load(dy, dy0 + 3 * LANES);
    FloatVector b0 = load(dy, dy0 + 4 * LANES);
    FloatVector b1 = load(dy, dy0 + 5 * LANES);
    FloatVector b2 = load(dy, dy0 + 6 * LANES);
    FloatVector b3 = load(dy, dy0 + 7 * LANES);
    FloatVector c0 = load(dy, dy0 + 8 * LANES);
    FloatVector c1 = load(dy, dy0 + 9 * LANES);
    FloatVector c2 = load(dy, dy0 + 10 * LANES);
    FloatVector c3 = load(dy, dy0 + 11 * LANES);
    FloatVector d0 = load(dy, dy0 + 12 * LANES);
    FloatVector d1 = load(dy, dy0 + 13 * LANES);
    FloatVector d2 = load(dy, dy0 + 14 * LANES);
    FloatVector d3 = load(dy, dy0 + 15 * LANES);
    for (int i = 0; i < count; i++) {
      int from = x0 + columns[first + i] * 4 * LANES;
      int at = sums0 + i * SparseGroupLoops.ROWS * LANES;
      FloatVector s = load(sums, at);
      FloatVector t = load(sums, at + LANES);
      FloatVector u = load(sums, at + 2 * LANES);
      FloatVector v = load(sums, at + 3 * LANES);
      FloatVector xs = load(x, from);
      s = a0.fma(xs, s);
      t = b0.fma(xs, t);
      u = c0.fma(xs, u);
      v = d0.fma(xs, v);
      xs = load(x, from + LANES);
      s = a1.fma(xs, s);
      t = b1.fma(xs, t);
      u = c1.fma(xs, u);
      v = d1.fma(xs, v);
      xs = load(x, from + 2 * LANES);
      s = a2.fma(xs, s);
      t = b2.fma(xs, t);
      u = c2.fma(xs, u);
      v = d2.fma(xs, v);
      xs = load(x, from + 3 * LANES);
      s = a3.fma(xs, s);
      t = b3.fma(xs, t);
      u = c3.fma(xs, u);
      v = d3.fma(xs, v);
      s.intoArray(sums, at);
      t.intoArray(sums, at + LANES);
      u.intoArray(sums, at + 2 * LANES);
      v.intoArray(sums, at + 3 * LANES);
    }
  }

  private static void groupOneVector(
      float[] dy,
      int dy0,
      float[] x,
      int x0,
      int width,
      int[] columns,
      int c0,
      int count,
      float[] sums,
      int sums0) {
    for (int i = 0; i < count; i++) {
      FloatVector xs = FloatVector.fromArray(SPECIES, x, x0 + columns[c0 + i] * width);
      int at = sums0 + i * SparseGroupLoops.ROWS * LANES;
      for (int r = 0; r < SparseGroupLoops.ROWS; r++, at += LANES) {
        FloatVector.fromArray(SPECIES, dy, dy0 + r * width)
            .fma(xs, FloatVector.fromArray(SPECIES, sums, at))
            .intoArray(sums, at);
      }
    }
  }

  /**
   * {@code out_i += Σ_lanes sums_i}; the sums are overwritten.
   *
   * @param stride elements from the sums of one non-zero to the next one's
   */
  static void fold(float[] sums, int sums0, int stride, int count, float[] out, int out0) {
    int i = 0;
    if (LANES == 16 || LANES == 8) {
      for (; i + LANES <= count; i += LANES) {
        foldTogether(sums, sums0 + i * stride, stride, out, out0 + i);
      }
    }
    for (; i < count; i++) {
      out[out0 + i] += Lanes.sum(FloatVector.fromArray(SPECIES, sums, sums0 + i * stride));
    }
  }

  /**
   * The sums of as many vectors as one has lanes, each to the bit that of {@link Lanes#sum} with
   * half of its work: two vectors at a time are folded onto the halves of one.
   */
  private static void foldTogether(float[] sums, int at, int stride, float[] out, int out0) {
    for (int i = at; i < at + 4 * stride; i += stride) {
      if (LANES == 16) {
        foldFourQuarters(sums, i, 4 * stride);
      } else {
        fold(load(sums, i), load(sums, i + 4 * stride), Lanes.BIT_4, Lanes.BY_4).intoArray(sums, i);
      }
    }
    FloatVector even = fold(load(sums, at), load(sums, at + 2 * stride), Lanes.BIT_2, Lanes.BY_2);
    FloatVector odd =
        fold(load(sums, at + stride), load(sums, at + 3 * stride), Lanes.BIT_2, Lanes.BY_2);
    fold(even, odd, Lanes.BIT_1, Lanes.BY_1).add(load(out, out0)).intoArray(out, out0);
  }

  private static void foldFourQuarters(float[] sums, int at, int stride) {
    FloatVector a = fold(load(sums, at), load(sums, at + 2 * stride), Lanes.BIT_8, Lanes.BY_8);
    FloatVector b =
        fold(load(sums, at + stride), load(sums, at + 3 * stride), Lanes.BIT_8, Lanes.BY_8);
    fold(a, b, Lanes.BIT_4, Lanes.BY_4).intoArray(sums, at);
  }

  private static FloatVector load(float[] from, int at) {
    return FloatVector.fromArray(SPECIES, from, at);
  }

  /** The halves of a added where the bit is not set, those of b where it is. */
  private static FloatVector fold(
      FloatVector a, FloatVector b, VectorMask<Float> bit, VectorShuffle<Float> exchange) {
    return a.blend(b, bit).add(b.blend(a, bit).rearrange(exchange));
  }
}
