package dev.sparrow.backend.cpu;

import java.util.HashMap;
import java.util.Map;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** Cosines and sines of rotary positions, computed once for each head width and theta. */
final class Rotary {
  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private record Key(int headWidth, double theta) {}

  private final Map<Key, Table> tables = new HashMap<>();

  /** The table for at least {@code positions} positions; grown by doubling. */
  Table table(int headWidth, double theta, int positions) {
    Key key = new Key(headWidth, theta);
    Table table = tables.get(key);
    if (table == null || table.positions < positions) {
      int grown = table == null ? positions : Math.max(positions, 2 * table.positions);
      table = new Table(headWidth, theta, grown);
      tables.put(key, table);
    }
    return table;
  }

  /** cos and sin of {@code position·theta^(-2j/headWidth)}: (positions, headWidth/2) each. */
  static final class Table {
    private final int positions;
    private final int half;
    private final float[] cos;
    private final float[] sin;

    Table(int headWidth, double theta, int positions) {
      this.positions = positions;
      this.half = headWidth / 2;
      this.cos = new float[positions * half];
      this.sin = new float[positions * half];
      for (int j = 0; j < half; j++) {
        double frequency = StrictMath.pow(theta, -2.0 * j / headWidth);
        for (int p = 0; p < positions; p++) {
          cos[p * half + j] = (float) StrictMath.cos(p * frequency);
          sin[p * half + j] = (float) StrictMath.sin(p * frequency);
        }
      }
    }

    /** Turns consecutive heads of one row by the angles of a position. */
    void turn(float[] x, int offset, int heads, int position, boolean inverse) {
      int at = position * half;
      float sign = inverse ? -1 : 1;
      for (int head = 0; head < heads; head++) {
        turnHead(x, offset + head * 2 * half, cos, sin, at, half, sign);
      }
    }

    /** {@code (a, b) -> (a·cos - b·sin, b·cos + a·sin)}. */
    private static void turnHead(
        float[] x, int first, float[] cos, float[] sin, int at, int half, float sign) {
      int second = first + half;
      int whole = Lanes.whole(half);
      for (int j = 0; j < whole; j += LANES) {
        FloatVector a = FloatVector.fromArray(F, x, first + j);
        FloatVector b = FloatVector.fromArray(F, x, second + j);
        FloatVector c = FloatVector.fromArray(F, cos, at + j);
        FloatVector s = FloatVector.fromArray(F, sin, at + j).mul(sign);
        a.fma(c, b.mul(s).neg()).intoArray(x, first + j);
        b.fma(c, a.mul(s)).intoArray(x, second + j);
      }
      for (int j = whole; j < half; j++) {
        float a = x[first + j];
        float b = x[second + j];
        float c = cos[at + j];
        float s = sin[at + j] * sign;
        x[first + j] = Math.fma(a, c, -(b * s));
        x[second + j] = Math.fma(b, c, a * s);
      }
    }
  }
}
