package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/**
 * Batch normalisation (Ioffe & Szegedy 2015) of the columns of (rows, channels), with what follows
 * it in a residual network in the same pass: {@code y = f(n·weight + bias (+ residual))}, {@code n
 * = (x - mean)·rstd}, f the rectifier or nothing.
 *
 * <p>mean, rstd and the running statistics (channels) are in the float type.
 */
public interface BatchNormOps {
  /** What is added to variances, as in {@code torch.nn.BatchNorm2d}. */
  double EPSILON = 1e-5;

  /**
   * Statistics of a batch: {@code rstd = 1/sqrt(variance + epsilon)} with the biased variance; and
   * {@code running = (1 - momentum)·running + momentum·} the batch's, there the unbiased variance.
   */
  void statistics(
      Tensor x,
      double epsilon,
      double momentum,
      Tensor mean,
      Tensor rstd,
      Tensor runningMean,
      Tensor runningVariance);

  /** {@code rstd = 1/sqrt(variance + epsilon)}: both (channels). */
  void inverseDeviation(Tensor variance, double epsilon, Tensor rstd);

  /**
   * {@code y = f(n·weight + bias (+ residual))}.
   *
   * @param residual (rows, channels), not y, or null
   * @param rectified whether f is the rectifier
   * @param y (rows, channels); may be x
   */
  void apply(
      Tensor x,
      Tensor mean,
      Tensor rstd,
      Tensor weight,
      Tensor bias,
      Tensor residual,
      boolean rectified,
      Tensor y);

  /**
   * With {@code dz = dy}, or 0 where y is not above 0: {@code dx = weight·rstd·(dz - mean(dz) -
   * n·mean(dz·n))} over the rows, {@code dweight += Σ dz·n}, {@code dbias += Σ dz}.
   *
   * @param y of {@link #apply} where it rectified, else null
   * @param dy (rows, channels), becomes dz, which is the residual's gradient
   * @param dx (rows, channels), not dy
   */
  void backward(
      Tensor dy,
      Tensor y,
      Tensor x,
      Tensor mean,
      Tensor rstd,
      Tensor weight,
      Tensor dx,
      Tensor dweight,
      Tensor dbias);
}
