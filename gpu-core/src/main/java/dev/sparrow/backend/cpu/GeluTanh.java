package dev.sparrow.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * GPT-2's GELU: {@code 0.5·x·(1 + tanh(u))}, which is {@code x·sigmoid(2u)}, with {@code 2u = x·(A
 * + B·x²)}. With s the sigmoid, the slope is {@code s + x·s·(1 - s)·(A + 3·B·x²)}.
 */
final class GeluTanh {
  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private static final float A = 1.59576912f; // 2·sqrt(2/π)
  private static final float B = 0.0713548163f; // 0.044715·A

  private GeluTanh() {}

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

  private static FloatVector gate(FloatVector x) {
    FloatVector square = x.mul(x);
    return VectorMath.sigmoid(
        x.mul(square.fma(FloatVector.broadcast(F, B), FloatVector.broadcast(F, A))));
  }

  private static FloatVector value(FloatVector x) {
    return x.mul(gate(x));
  }

  private static FloatVector slope(FloatVector x) {
    FloatVector s = gate(x);
    FloatVector inner = x.mul(x).fma(FloatVector.broadcast(F, 3 * B), FloatVector.broadcast(F, A));
    return s.sub(s.mul(s)).mul(x).fma(inner, s);
  }
}
