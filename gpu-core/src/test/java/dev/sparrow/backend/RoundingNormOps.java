package dev.sparrow.backend;

import static dev.sparrow.backend.RoundedStorage.compute;
import static dev.sparrow.backend.RoundedStorage.floats;
import static dev.sparrow.backend.RoundedStorage.round;

import dev.sparrow.tensor.Tensor;

/** The oracle's norms, rounded once. */
final class RoundingNormOps implements NormOps {
  private final NormOps ops;

  RoundingNormOps(NormOps ops) {
    this.ops = ops;
  }

  @Override
  public void layerNorm(
      Tensor x, Tensor weight, Tensor bias, double epsilon, Tensor y, Tensor mean, Tensor rstd) {
    ops.layerNorm(
        compute(x),
        compute(weight),
        compute(bias),
        epsilon,
        compute(y),
        floats(mean),
        floats(rstd));
    round(y, mean, rstd);
  }

  @Override
  public void layerNormBackward(
      Tensor dy,
      Tensor x,
      Tensor weight,
      Tensor mean,
      Tensor rstd,
      boolean accumulate,
      Tensor dx,
      Tensor dweight,
      Tensor dbias) {
    ops.layerNormBackward(
        compute(dy),
        compute(x),
        compute(weight),
        floats(mean),
        floats(rstd),
        accumulate,
        compute(dx),
        floats(dweight),
        floats(dbias));
    round(dx, dweight, dbias);
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, double epsilon, Tensor y, Tensor rstd) {
    ops.rmsNorm(compute(x), compute(weight), epsilon, compute(y), floats(rstd));
    round(y, rstd);
  }

  @Override
  public void rmsNormBackward(
      Tensor dy,
      Tensor x,
      Tensor weight,
      Tensor rstd,
      boolean accumulate,
      Tensor dx,
      Tensor dweight) {
    ops.rmsNormBackward(
        compute(dy),
        compute(x),
        compute(weight),
        floats(rstd),
        accumulate,
        compute(dx),
        floats(dweight));
    round(dx, dweight);
  }
}
