package dev.sparrow.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** ReLU: {@code max(x, 0)}; the slope at 0 is 0. NaN stays NaN. */
final class Relu {
  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private Relu() {}

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
    return x.blend(0f, x.compare(VectorOperators.LE, 0f));
  }

  private static FloatVector slope(FloatVector x) {
    FloatVector one = FloatVector.broadcast(F, 1f);
    return one.blend(0f, x.compare(VectorOperators.LE, 0f));
  }
}
