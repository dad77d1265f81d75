package dev.sparrow.backend;

import static dev.sparrow.backend.RoundedStorage.compute;
import static dev.sparrow.backend.RoundedStorage.floats;
import static dev.sparrow.backend.RoundedStorage.round;

import dev.sparrow.tensor.Tensor;

/** The oracle's optimizer steps, rounded to F32, and the weights' copy from there to BF16. */
final class RoundingOptimizerOps implements OptimizerOps {
  private final OptimizerOps ops;

  RoundingOptimizerOps(OptimizerOps ops) {
    this.ops = ops;
  }

  @Override
  public void adamW(
      AdamW settings,
      double gradientScale,
      Weights weights,
      Tensor firstMoment,
      Tensor secondMoment) {
    requireCopy(weights);
    ops.adamW(settings, gradientScale, twins(weights), floats(firstMoment), floats(secondMoment));
    round(firstMoment, secondMoment);
    publish(weights);
  }

  @Override
  public void sgd(Sgd settings, double gradientScale, Weights weights, Tensor momentum) {
    requireCopy(weights);
    ops.sgd(settings, gradientScale, twins(weights), floats(momentum));
    round(momentum);
    publish(weights);
  }

  private static void requireCopy(Weights weights) {
    Checks.size("copy", weights.gradient().size(), weights.copy());
  }

  private static Weights twins(Weights weights) {
    Tensor gradient = floats(weights.gradient());
    return new Weights(gradient, floats(weights.parameter()), null, weights.segments());
  }

  private static void publish(Weights weights) {
    round(weights.parameter());
    Doubles parameter = Doubles.of(floats(weights.parameter()));
    Doubles copy = Doubles.of(compute(weights.copy()));
    for (int i = 0; i < weights.copy().size(); i++) {
      copy.set(i, parameter.get(i));
    }
    round(weights.copy());
  }
}
