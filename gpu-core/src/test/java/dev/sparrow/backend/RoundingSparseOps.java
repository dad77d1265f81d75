package dev.sparrow.backend;

import static dev.sparrow.backend.RoundedStorage.compute;
import static dev.sparrow.backend.RoundedStorage.floats;
import static dev.sparrow.backend.RoundedStorage.ints;
import static dev.sparrow.backend.RoundedStorage.round;
import static dev.sparrow.backend.RoundedStorage.twin;

import dev.sparrow.tensor.Tensor;

/** The oracle's sparse products, rounded once. */
final class RoundingSparseOps implements SparseOps {
  private final SparseOps ops;

  RoundingSparseOps(SparseOps ops) {
    this.ops = ops;
  }

  @Override
  public SparsePattern load(UniformPattern pattern) {
    return ops.load(pattern);
  }

  @Override
  public void forward(
      Tensor x, Tensor values, SparsePattern pattern, Tensor bias, Tensor residual, Tensor y) {
    ops.forward(compute(x), compute(values), pattern, compute(bias), compute(residual), compute(y));
    round(y);
  }

  @Override
  public void activatedForward(
      Activation f,
      Tensor x,
      Tensor values,
      SparsePattern pattern,
      Tensor bias,
      Tensor h,
      Tensor y) {
    ops.activatedForward(
        f, compute(x), compute(values), pattern, compute(bias), compute(h), compute(y));
    round(h, y);
  }

  @Override
  public void activatedBackwardInput(
      Activation f, Tensor dy, Tensor values, SparsePattern pattern, Tensor h, Tensor dh) {
    ops.activatedBackwardInput(f, compute(dy), compute(values), pattern, compute(h), compute(dh));
    round(dh);
  }

  @Override
  public void backwardInput(
      Tensor dy, Tensor values, SparsePattern pattern, boolean accumulate, Tensor dx) {
    ops.backwardInput(compute(dy), compute(values), pattern, accumulate, compute(dx));
    round(dx);
  }

  @Override
  public void backwardWeight(
      Tensor dy, Tensor x, SparsePattern pattern, Tensor dvalues, Tensor dbias) {
    ops.backwardWeight(compute(dy), compute(x), pattern, floats(dvalues), floats(dbias));
    round(dvalues, dbias);
  }

  @Override
  public void expand(Tensor values, SparsePattern pattern, Tensor w) {
    ops.expand(twin(values), pattern, twin(w));
    round(w);
  }

  @Override
  public void sample(Tensor w, SparsePattern pattern, Tensor values) {
    ops.sample(twin(w), pattern, twin(values));
    round(values);
  }

  @Override
  public void mask(Tensor bits, Tensor w) {
    ops.mask(ints(bits), floats(w));
  }
}
