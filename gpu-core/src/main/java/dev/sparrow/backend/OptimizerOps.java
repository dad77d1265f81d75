package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/**
 * One optimizer step over the parameter arena; all tensors of a call are vectors of equal size, in
 * {@link Backend#floatType} but for the copy.
 */
public interface OptimizerOps {
  /**
   * @param learningRate this step's
   * @param step 1 for the first update, for the bias correction
   */
  record AdamW(
      double learningRate,
      double beta1,
      double beta2,
      double epsilon,
      double weightDecay,
      long step) {
    /** What a weight is multiplied by where it decays: {@code 1 - lr·decay}. */
    public double keep() {
      return 1 - learningRate * weightDecay;
    }

    /** The learning rate with the first moment's bias correction: {@code lr/(1 - β1^step)}. */
    public double correctedRate() {
      return learningRate / (1 - StrictMath.pow(beta1, step));
    }

    /** The second moment's bias correction under the root: {@code 1/sqrt(1 - β2^step)}. */
    public double correctedRoot() {
      return 1 / StrictMath.sqrt(1 - StrictMath.pow(beta2, step));
    }
  }

  /** SGD with momentum as PyTorch defines it: {@code v = momentum·v + g}, {@code w -= lr·v}. */
  record Sgd(double learningRate, double momentum, double weightDecay, boolean nesterov) {}

  /**
   * What a step reads and changes besides its own state.
   *
   * @param gradient left as it is
   * @param parameter updated
   * @param copy assigned the new parameters in {@link Backend#computeType}; null where that is the
   *     parameters' own type
   * @param segments where the settings' weight decay applies, and factors of the learning rate
   */
  record Weights(Tensor gradient, Tensor parameter, Tensor copy, UpdateSegments segments) {}

  /**
   * AdamW (Loshchilov & Hutter 2019), decoupled decay: {@code w -= lr·decay·w}, then {@code m =
   * β1·m + (1-β1)·g}, {@code v = β2·v + (1-β2)·g²}, {@code w -= rate·lr·m̂/(sqrt(v̂) + ε)} with
   * {@code g = gradientScale·gradient} and the segment's rate.
   */
  void adamW(
      AdamW settings,
      double gradientScale,
      Weights weights,
      Tensor firstMoment,
      Tensor secondMoment);

  /**
   * {@code g = gradientScale·gradient + weightDecay·w}, then as {@link Sgd} says with {@code
   * rate·lr} for lr; with nesterov {@code w -= rate·lr·(g + momentum·v)}.
   */
  void sgd(Sgd settings, double gradientScale, Weights weights, Tensor momentum);
}
