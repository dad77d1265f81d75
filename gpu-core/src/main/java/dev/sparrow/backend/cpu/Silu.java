package dev.sparrow.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** SiLU: {@code x·s} with {@code s = sigmoid(x)}; the slope is {@code s + x·s·(1 - s)}. */
final class Silu {
  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private Silu() {}

  /** {@code y = f(x)}; n is a multiple of the vector width, here and below. */
  static void forward(float[] x, int xo, float[] y, int yo, int n) {
    for (int i = 0; i < n; i += LANES) {
      value(FloatVector.fromArray(F, x, xo + i)).intoArray(y, yo + i);
    }
  }

  /** {@code dx = dy·f'(x)}. */
  static void backward(float[] x, int xo, float[] dy, int dyo, float[] dx, int dxo, int n) {
    for (int i = 0; i < n; i += LANES) {
      slope(FloatVector.fromArray(F, x, xo + i))
          .mul(FloatVector.fromArray(F, dy, dyo + i))
          .intoArray(dx, dxo + i);
    }
  }

  /** {@code y = f(gate)·up}. */
  static void gated(float[] gate, int go, float[] up, int uo, float[] y, int yo, int n) {
    for (int i = 0; i < n; i += LANES) {
      value(FloatVector.fromArray(F, gate, go + i))
          .mul(FloatVector.fromArray(F, up, uo + i))
          .intoArray(y, yo + i);
    }
  }

  private static FloatVector value(FloatVector x) {
    return x.mul(VectorMath.sigmoid(x));
  }

  private static FloatVector slope(FloatVector x) {
    FloatVector s = VectorMath.sigmoid(x);
    return s.sub(s.mul(s)).fma(x, s);
  }
}
