package dev.sparrow.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * SiLU: {@code x·s} with {@code s = sigmoid(x)}; the slope is {@code s + x·s·(1 - s)}. Passes: s,
 * then what is asked for.
 */
final class Silu {
  static final ActivationLoops.Passes PASSES =
      new ActivationLoops.Passes(
          new ActivationPass[] {Silu::sigmoid, Silu::forward},
          new ActivationPass[] {Silu::sigmoid, Silu::backward},
          new ActivationPass[] {Silu::sigmoid, Silu::gated},
          new ActivationPass[] {Silu::sigmoid, Silu::gatedBackward});

  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private Silu() {}

  private static void sigmoid(ActivationBlock b) {
    for (int i = 0; i < b.n; i += LANES) {
      VectorMath.sigmoid(FloatVector.fromArray(F, b.x, b.xo + i)).intoArray(b.first, i);
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
    return FloatVector.fromArray(F, b.x, b.xo + i).mul(FloatVector.fromArray(F, b.first, i));
  }

  private static FloatVector slope(ActivationBlock b, int i) {
    FloatVector s = FloatVector.fromArray(F, b.first, i);
    return s.sub(s.mul(s)).fma(FloatVector.fromArray(F, b.x, b.xo + i), s);
  }
}
