package dev.sparrow.backend;

import static dev.sparrow.backend.RoundedStorage.compute;
import static dev.sparrow.backend.RoundedStorage.floats;
import static dev.sparrow.backend.RoundedStorage.round;

import dev.sparrow.tensor.Tensor;

/** The oracle's batch normalisation, rounded once. */
final class RoundingBatchNormOps implements BatchNormOps {
  private final BatchNormOps ops;

  RoundingBatchNormOps(BatchNormOps ops) {
    this.ops = ops;
  }

  @Override
  public void statistics(
      Tensor x,
      double epsilon,
      double momentum,
      Tensor mean,
      Tensor rstd,
      Tensor runningMean,
      Tensor runningVariance) {
    ops.statistics(
        compute(x),
        epsilon,
        momentum,
        floats(mean),
        floats(rstd),
        floats(runningMean),
        floats(runningVariance));
    round(mean, rstd, runningMean, runningVariance);
  }

  @Override
  public void inverseDeviation(Tensor variance, double epsilon, Tensor rstd) {
    ops.inverseDeviation(floats(variance), epsilon, floats(rstd));
    round(rstd);
  }

  @Override
  public void apply(
      Tensor x,
      Tensor mean,
      Tensor rstd,
      Tensor weight,
      Tensor bias,
      Tensor residual,
      boolean rectified,
      Tensor y) {
    ops.apply(
        compute(x),
        floats(mean),
        floats(rstd),
        compute(weight),
        compute(bias),
        compute(residual),
        rectified,
        compute(y));
    round(y);
  }

  @Override
  public void backward(
      Tensor dy,
      Tensor y,
      Tensor x,
      Tensor mean,
      Tensor rstd,
      Tensor weight,
      Tensor dx,
      Tensor dweight,
      Tensor dbias) {
    ops.backward(
        compute(dy),
        compute(y),
        compute(x),
        floats(mean),
        floats(rstd),
        compute(weight),
        compute(dx),
        floats(dweight),
        floats(dbias));
    round(dx, dweight, dbias);
  }
}
