package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/** Normalisation over the last dimension of (rows, columns). */
public interface NormOps {
  /**
   * LayerNorm (Ba et al. 2016): {@code y = (x - mean)·rstd·weight + bias}, {@code rstd = 1/sqrt(var
   * + epsilon)} with the biased variance. bias may be null; mean and rstd (rows) are kept for
   * backward.
   */
  void layerNorm(
      Tensor x, Tensor weight, Tensor bias, double epsilon, Tensor y, Tensor mean, Tensor rstd);

  /**
   * With {@code n = (x - mean)·rstd} and {@code g = dy·weight}: {@code dx = rstd·(g - mean(g) -
   * n·mean(g·n))} ({@code +=} with accumulate), {@code dweight += Σ dy·n}, {@code dbias += Σ dy}.
   */
  void layerNormBackward(
      Tensor dy,
      Tensor x,
      Tensor weight,
      Tensor mean,
      Tensor rstd,
      boolean accumulate,
      Tensor dx,
      Tensor dweight,
      Tensor dbias);

  /**
   * RMSNorm (Zhang & Sennrich 2019): {@code y = x·rstd·weight}, {@code rstd = 1/sqrt(mean(x²) +
   * epsilon)}.
   */
  void rmsNorm(Tensor x, Tensor weight, double epsilon, Tensor y, Tensor rstd);

  /**
   * {@code dx = rstd·(g - n·mean(g·n))} ({@code +=} with accumulate), {@code dweight += Σ dy·n}.
   */
  void rmsNormBackward(
      Tensor dy,
      Tensor x,
      Tensor weight,
      Tensor rstd,
      boolean accumulate,
      Tensor dx,
      Tensor dweight);
}
