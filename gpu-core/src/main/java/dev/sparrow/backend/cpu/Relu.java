package dev.sparrow.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** ReLU: {@code max(x, 0)}; the slope at 0 is 0. NaN stays NaN. */
final class Relu {
  static final ActivationLoops.Passes PASSES =
      new ActivationLoops.Passes(
          new ActivationPass[] {Relu::forward},
          new ActivationPass[] {Relu::backward},
          new ActivationPass[] {Relu::gated},
          new ActivationPass[] {Relu::gatedBackward});

  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private Relu() {}

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
    FloatVector x = FloatVector.fromArray(F, b.x, b.xo + i);
    return x.blend(0f, x.compare(VectorOperators.LE, 0f));
  }

  private static FloatVector slope(ActivationBlock b, int i) {
    FloatVector x = FloatVector.fromArray(F, b.x, b.xo + i);
    return FloatVector.broadcast(F, 1f).blend(0f, x.compare(VectorOperators.LE, 0f));
  }
}
