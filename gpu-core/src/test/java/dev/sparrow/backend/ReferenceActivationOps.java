package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/** Nonlinearities and their derivatives in double. */
final class ReferenceActivationOps implements ActivationOps {
  private static final double SQRT_2_OVER_PI = StrictMath.sqrt(2 / StrictMath.PI);
  private static final double CUBIC = 0.044715;

  @Override
  public void forward(Activation f, Tensor x, Tensor y) {
    Checks.size("y", x.size(), y);
    for (int i = 0; i < x.size(); i++) {
      Doubles.of(y).set(i, value(f, Doubles.of(x).get(i)));
    }
  }

  @Override
  public void backward(Activation f, Tensor x, Tensor dy, Tensor dx) {
    Checks.size("dy", x.size(), dy);
    Checks.size("dx", x.size(), dx);
    for (int i = 0; i < x.size(); i++) {
      Doubles.of(dx).set(i, Doubles.of(dy).get(i) * derivative(f, Doubles.of(x).get(i)));
    }
  }

  @Override
  public void gated(Activation f, Tensor gate, Tensor up, Tensor y) {
    Checks.size("up", gate.size(), up);
    Checks.size("y", gate.size(), y);
    for (int i = 0; i < gate.size(); i++) {
      Doubles.of(y).set(i, value(f, Doubles.of(gate).get(i)) * Doubles.of(up).get(i));
    }
  }

  @Override
  public void gatedBackward(
      Activation f, Tensor gate, Tensor up, Tensor dy, Tensor dgate, Tensor dup) {
    Checks.size("up", gate.size(), up);
    Checks.size("dy", gate.size(), dy);
    Checks.size("dgate", gate.size(), dgate);
    Checks.size("dup", gate.size(), dup);
    for (int i = 0; i < gate.size(); i++) {
      double g = Doubles.of(gate).get(i);
      double u = Doubles.of(up).get(i);
      double d = Doubles.of(dy).get(i);
      Doubles.of(dgate).set(i, d * u * derivative(f, g));
      Doubles.of(dup).set(i, d * value(f, g));
    }
  }

  static double value(Activation f, double x) {
    return switch (f) {
      case GELU -> x * normalCdf(x);
      case GELU_TANH -> 0.5 * x * (1 + StrictMath.tanh(SQRT_2_OVER_PI * (x + CUBIC * x * x * x)));
      case SILU -> x * sigmoid(x);
      case RELU -> StrictMath.max(x, 0);
    };
  }

  static double derivative(Activation f, double x) {
    return switch (f) {
      case GELU -> normalCdf(x) + x * normalDensity(x);
      case GELU_TANH -> {
        double t = StrictMath.tanh(SQRT_2_OVER_PI * (x + CUBIC * x * x * x));
        yield 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * SQRT_2_OVER_PI * (1 + 3 * CUBIC * x * x);
      }
      case SILU -> sigmoid(x) * (1 + x * (1 - sigmoid(x)));
      case RELU -> x > 0 ? 1 : 0;
    };
  }

  /** Φ(x) = erfc(-x/√2)/2 */
  private static double normalCdf(double x) {
    return 0.5 * ErrorFunction.erfc(-x / StrictMath.sqrt(2));
  }

  private static double normalDensity(double x) {
    return StrictMath.exp(-0.5 * x * x) / StrictMath.sqrt(2 * StrictMath.PI);
  }

  private static double sigmoid(double x) {
    return 1 / (1 + StrictMath.exp(-x));
  }
}
