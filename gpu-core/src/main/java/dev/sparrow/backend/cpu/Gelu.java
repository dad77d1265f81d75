package dev.sparrow.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** GELU, exact: {@code x·Φ(x)}; the slope is {@code Φ(x) + x·φ(x)} with the normal density φ. */
final class Gelu {
  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private static final float INVERSE_SQRT_2PI = 0.398942280f;

  private Gelu() {}

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
    return x.mul(VectorMath.normalCdf(x, VectorMath.gauss(x)));
  }

  private static FloatVector slope(FloatVector x) {
    FloatVector gauss = VectorMath.gauss(x);
    return x.mul(INVERSE_SQRT_2PI).fma(gauss, VectorMath.normalCdf(x, gauss));
  }
}
