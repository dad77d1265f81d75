package dev.sparrow.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * GPT-2's GELU: {@code 0.5·x·(1 + tanh(u))}, which is {@code x·sigmoid(2u)}, with {@code 2u = x·(A
 * + B·x²)}. With s the sigmoid, the slope is {@code s + x·s·(1 - s)·(A + 3·B·x²)}. Passes: 2u, s,
 * then what is asked for.
 */
final class GeluTanh {
  static final ActivationLoops.Passes PASSES =
      new ActivationLoops.Passes(
          new ActivationPass[] {GeluTanh::argument, GeluTanh::sigmoid, GeluTanh::forward},
          new ActivationPass[] {GeluTanh::argument, GeluTanh::sigmoid, GeluTanh::backward},
          new ActivationPass[] {GeluTanh::argument, GeluTanh::sigmoid, GeluTanh::gated},
          new ActivationPass[] {GeluTanh::argument, GeluTanh::sigmoid, GeluTanh::gatedBackward});

  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private static final float A = 1.59576912f; // 2·sqrt(2/π)
  private static final float B = 0.0713548163f; // 0.044715·A

  private GeluTanh() {}

  private static void argument(ActivationBlock b) {
    FloatVector linear = FloatVector.broadcast(F, A);
    FloatVector cubic = FloatVector.broadcast(F, B);
    for (int i = 0; i < b.n; i += LANES) {
      FloatVector x = FloatVector.fromArray(F, b.x, b.xo + i);
      x.mul(x.mul(x).fma(cubic, linear)).intoArray(b.first, i);
    }
  }

  private static void sigmoid(ActivationBlock b) {
    for (int i = 0; i < b.n; i += LANES) {
      VectorMath.sigmoid(FloatVector.fromArray(F, b.first, i)).intoArray(b.second, i);
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
    FloatVector s = FloatVector.fromArray(F, b.second, i);
    FloatVector x = FloatVector.fromArray(F, b.x, b.xo + i);
    FloatVector inner = x.mul(x).fma(FloatVector.broadcast(F, 3 * B), FloatVector.broadcast(F, A));
    return s.sub(s.mul(s)).mul(x).fma(inner, s);
  }
}
