package dev.sparrow.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * GELU, exact: {@code x·Φ(x)}; the slope is {@code Φ(x) + x·φ(x)} with the normal density φ.
 * Passes: {@code e^(-x²/2)}, Φ, then what is asked for.
 */
final class Gelu {
  static final ActivationLoops.Passes PASSES =
      new ActivationLoops.Passes(
          new ActivationPass[] {Gelu::gauss, Gelu::normalCdf, Gelu::forward},
          new ActivationPass[] {Gelu::gauss, Gelu::normalCdf, Gelu::backward},
          new ActivationPass[] {Gelu::gauss, Gelu::normalCdf, Gelu::gated},
          new ActivationPass[] {Gelu::gauss, Gelu::normalCdf, Gelu::gatedBackward});

  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private static final float INVERSE_SQRT_2PI = 0.398942280f;

  private Gelu() {}

  private static void gauss(ActivationBlock b) {
    for (int i = 0; i < b.n; i += LANES) {
      VectorMath.gauss(FloatVector.fromArray(F, b.x, b.xo + i)).intoArray(b.first, i);
    }
  }

  private static void normalCdf(ActivationBlock b) {
    for (int i = 0; i < b.n; i += LANES) {
      FloatVector x = FloatVector.fromArray(F, b.x, b.xo + i);
      VectorMath.normalCdf(x, FloatVector.fromArray(F, b.first, i)).intoArray(b.second, i);
    }
  }

  /** {@code out = f(x)}. */
  private static void forward(ActivationBlock b) {
    for (int i = 0; i < b.n; i += LANES) {
      value(b, i).intoArray(b.out, b.oo + i);
    }
  }

  /** {@code out = dy·f'(x)}. */
  private static void backward(ActivationBlock b) {
    for (int i = 0; i < b.n; i += LANES) {
      slope(b, i).mul(FloatVector.fromArray(F, b.dy, b.dyo + i)).intoArray(b.out, b.oo + i);
    }
  }

  /** {@code out = f(x)·up}. */
  private static void gated(ActivationBlock b) {
    for (int i = 0; i < b.n; i += LANES) {
      value(b, i).mul(FloatVector.fromArray(F, b.up, b.uo + i)).intoArray(b.out, b.oo + i);
    }
  }

  /** {@code out = dy·f'(x)·up}, {@code dup = dy·f(x)}. */
  private static void gatedBackward(ActivationBlock b) {
    for (int i = 0; i < b.n; i += LANES) {
      FloatVector dy = FloatVector.fromArray(F, b.dy, b.dyo + i);
      FloatVector dgate = slope(b, i).mul(dy).mul(FloatVector.fromArray(F, b.up, b.uo + i));
      FloatVector dup = value(b, i).mul(dy);
      dgate.intoArray(b.out, b.oo + i);
      dup.intoArray(b.dup, b.duo + i);
    }
  }

  private static FloatVector value(ActivationBlock b, int i) {
    return FloatVector.fromArray(F, b.x, b.xo + i).mul(FloatVector.fromArray(F, b.second, i));
  }

  private static FloatVector slope(ActivationBlock b, int i) {
    FloatVector gauss = FloatVector.fromArray(F, b.first, i);
    FloatVector x = FloatVector.fromArray(F, b.x, b.xo + i);
    return x.mul(INVERSE_SQRT_2PI).fma(gauss, FloatVector.fromArray(F, b.second, i));
  }
}
