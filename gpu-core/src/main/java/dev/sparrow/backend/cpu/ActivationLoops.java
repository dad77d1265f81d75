package dev.sparrow.backend.cpu;

import dev.sparrow.backend.Activation;

/**
 * Chooses the loop of a nonlinearity. Each function has loops of its own: one chosen inside a loop
 * through an interface would box every vector. A tail shorter than a vector is copied to a
 * zero-padded vector's worth of memory and goes through the same loop.
 */
final class ActivationLoops {
  private static final int LANES = Lanes.COUNT;

  /** Fits the first-level cache beside its inputs. */
  private static final ThreadLocal<float[]> BLOCK = ThreadLocal.withInitial(() -> new float[1024]);

  private ActivationLoops() {}

  /** {@code y = f(x)} over n elements. */
  static void forward(Activation f, float[] x, int xo, float[] y, int yo, int n) {
    int whole = Lanes.whole(n);
    forwardWhole(f, x, xo, y, yo, whole);
    int rest = n - whole;
    if (rest > 0) {
      float[] tail = tail(x, xo + whole, rest);
      forwardWhole(f, tail, 0, tail, 0, LANES);
      System.arraycopy(tail, 0, y, yo + whole, rest);
    }
  }

  /** {@code dx = dy·f'(x)} over n elements. */
  static void backward(
      Activation f, float[] x, int xo, float[] dy, int dyo, float[] dx, int dxo, int n) {
    int whole = Lanes.whole(n);
    backwardWhole(f, x, xo, dy, dyo, dx, dxo, whole);
    int rest = n - whole;
    if (rest > 0) {
      float[] tail = tail(x, xo + whole, rest);
      backwardWhole(f, tail, 0, tail(dy, dyo + whole, rest), 0, tail, 0, LANES);
      System.arraycopy(tail, 0, dx, dxo + whole, rest);
    }
  }

  /** {@code y = f(gate)·up} over n elements. */
  static void gated(
      Activation f, float[] gate, int go, float[] up, int uo, float[] y, int yo, int n) {
    int whole = Lanes.whole(n);
    gatedWhole(f, gate, go, up, uo, y, yo, whole);
    int rest = n - whole;
    if (rest > 0) {
      float[] tail = tail(gate, go + whole, rest);
      gatedWhole(f, tail, 0, tail(up, uo + whole, rest), 0, tail, 0, LANES);
      System.arraycopy(tail, 0, y, yo + whole, rest);
    }
  }

  /**
   * {@code dgate = dy·up·f'(gate)}, {@code dup = dy·f(gate)} over n elements; in two loops, since
   * one with both is past the compiler's node budget, which then boxes every vector.
   */
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
    float[] block = BLOCK.get();
    for (int from = 0; from < n; from += block.length) {
      int m = Math.min(block.length, n - from);
      // dup waits in the block while dgate still needs up.
      gated(f, gate, go + from, dy, dyo + from, block, 0, m);
      backward(f, gate, go + from, dy, dyo + from, dgate, dgo + from, m);
      RowOps.mul(dgate, dgo + from, up, uo + from, dgate, dgo + from, m);
      System.arraycopy(block, 0, dup, duo + from, m);
    }
  }

  private static float[] tail(float[] x, int offset, int n) {
    float[] tail = new float[LANES];
    System.arraycopy(x, offset, tail, 0, n);
    return tail;
  }

  private static void forwardWhole(Activation f, float[] x, int xo, float[] y, int yo, int n) {
    switch (f) {
      case GELU -> Gelu.forward(x, xo, y, yo, n);
      case GELU_TANH -> GeluTanh.forward(x, xo, y, yo, n);
      case SILU -> Silu.forward(x, xo, y, yo, n);
      case RELU -> Relu.forward(x, xo, y, yo, n);
    }
  }

  private static void backwardWhole(
      Activation f, float[] x, int xo, float[] dy, int dyo, float[] dx, int dxo, int n) {
    switch (f) {
      case GELU -> Gelu.backward(x, xo, dy, dyo, dx, dxo, n);
      case GELU_TANH -> GeluTanh.backward(x, xo, dy, dyo, dx, dxo, n);
      case SILU -> Silu.backward(x, xo, dy, dyo, dx, dxo, n);
      case RELU -> Relu.backward(x, xo, dy, dyo, dx, dxo, n);
    }
  }

  private static void gatedWhole(
      Activation f, float[] gate, int go, float[] up, int uo, float[] y, int yo, int n) {
    switch (f) {
      case GELU -> Gelu.gated(gate, go, up, uo, y, yo, n);
      case GELU_TANH -> GeluTanh.gated(gate, go, up, uo, y, yo, n);
      case SILU -> Silu.gated(gate, go, up, uo, y, yo, n);
      case RELU -> Relu.gated(gate, go, up, uo, y, yo, n);
    }
  }
}
