package dev.sparrow.backend.cpu;

import dev.sparrow.backend.Activation;

/** Chooses the passes of a nonlinearity and takes elements through them. */
final class ActivationLoops {
  private ActivationLoops() {}

  /**
   * The passes of each operation on one nonlinearity. All but the last of each are the same: they
   * leave in the block's scratch what both the value and the slope need.
   *
   * @param forward {@code out = f(x)}
   * @param backward {@code out = dy·f'(x)}
   * @param gated {@code out = f(x)·up}
   * @param gatedBackward {@code out = dy·up·f'(x)}, {@code dup = dy·f(x)}
   */
  record Passes(
      ActivationPass[] forward,
      ActivationPass[] backward,
      ActivationPass[] gated,
      ActivationPass[] gatedBackward) {}

  /** {@code y = f(x)} over n elements. */
  static void forward(Activation f, float[] x, int xo, float[] y, int yo, int n) {
    ActivationBlock.of(x, xo, null, 0, null, 0, y, yo, null, 0).run(passes(f).forward, n);
  }

  /** {@code dx = dy·f'(x)} over n elements. */
  static void backward(
      Activation f, float[] x, int xo, float[] dy, int dyo, float[] dx, int dxo, int n) {
    ActivationBlock.of(x, xo, null, 0, dy, dyo, dx, dxo, null, 0).run(passes(f).backward, n);
  }

  /** {@code y = f(gate)·up} over n elements. */
  static void gated(
      Activation f, float[] gate, int go, float[] up, int uo, float[] y, int yo, int n) {
    ActivationBlock.of(gate, go, up, uo, null, 0, y, yo, null, 0).run(passes(f).gated, n);
  }

  /** {@code dgate = dy·up·f'(gate)}, {@code dup = dy·f(gate)} over n elements. */
  static void gatedBackward(
      Activation f,
      float[] gate,
      int go,
      float[] up,
      int uo,
      float[] dy,
      int dyo,
      float[] dgate,
      int dgo,
      float[] dup,
      int duo,
      int n) {
    ActivationBlock.of(gate, go, up, uo, dy, dyo, dgate, dgo, dup, duo)
        .run(passes(f).gatedBackward, n);
  }

  private static Passes passes(Activation f) {
    return switch (f) {
      case GELU -> Gelu.PASSES;
      case GELU_TANH -> GeluTanh.PASSES;
      case SILU -> Silu.PASSES;
      case RELU -> Relu.PASSES;
    };
  }
}
