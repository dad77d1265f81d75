package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/** Optimizer steps in double. */
final class ReferenceOptimizerOps implements OptimizerOps {
  @Override
  public void adamW(
      AdamW settings,
      double gradientScale,
      Weights weights,
      Tensor firstMoment,
      Tensor secondMoment) {
    Tensor gradient = weights.gradient();
    Tensor parameter = weights.parameter();
    requireWeights(weights);
    Checks.size("firstMoment", gradient.size(), firstMoment);
    Checks.size("secondMoment", gradient.size(), secondMoment);
    double beta1 = settings.beta1();
    double beta2 = settings.beta2();
    double lr = settings.learningRate();
    Doubles w = Doubles.of(parameter);
    Doubles m = Doubles.of(firstMoment);
    Doubles v = Doubles.of(secondMoment);
    for (int i = 0; i < gradient.size(); i++) {
      double g = gradientScale * Doubles.of(gradient).get(i);
      w.set(i, w.get(i) - lr * decay(settings.weightDecay(), weights, i) * w.get(i));
      m.set(i, beta1 * m.get(i) + (1 - beta1) * g);
      v.set(i, beta2 * v.get(i) + (1 - beta2) * g * g);
      double mHat = m.get(i) / (1 - StrictMath.pow(beta1, settings.step()));
      double vHat = v.get(i) / (1 - StrictMath.pow(beta2, settings.step()));
      w.set(
          i,
          w.get(i) - rate(weights, i) * lr * mHat / (StrictMath.sqrt(vHat) + settings.epsilon()));
    }
  }

  @Override
  public void sgd(Sgd settings, double gradientScale, Weights weights, Tensor momentum) {
    Tensor gradient = weights.gradient();
    Tensor parameter = weights.parameter();
    requireWeights(weights);
    Checks.size("momentum", gradient.size(), momentum);
    Doubles w = Doubles.of(parameter);
    Doubles v = Doubles.of(momentum);
    for (int i = 0; i < gradient.size(); i++) {
      double g =
          gradientScale * Doubles.of(gradient).get(i)
              + decay(settings.weightDecay(), weights, i) * w.get(i);
      v.set(i, settings.momentum() * v.get(i) + g);
      double direction = settings.nesterov() ? g + settings.momentum() * v.get(i) : v.get(i);
      w.set(i, w.get(i) - rate(weights, i) * settings.learningRate() * direction);
    }
  }

  private static void requireWeights(Weights weights) {
    long size = weights.gradient().size();
    Checks.size("parameter", size, weights.parameter());
    if (weights.segments().size() != size) {
      throw new IllegalArgumentException(
          "segments: expected of " + size + " elements, got " + weights.segments().size());
    }
    if (weights.copy() != null) {
      throw new IllegalArgumentException(
          "copy: expected null, since the oracle has one float type, got " + weights.copy());
    }
  }

  private static double decay(double decay, Weights weights, int i) {
    return weights.segments().decays(segment(weights, i)) ? decay : 0;
  }

  private static double rate(Weights weights, int i) {
    return weights.segments().rate(segment(weights, i));
  }

  private static int segment(Weights weights, int i) {
    int segment = 0;
    while (weights.segments().end(segment) <= i) {
      segment++;
    }
    return segment;
  }
}
