package dev.sparrow.backend;

import static dev.sparrow.backend.RoundedStorage.compute;
import static dev.sparrow.backend.RoundedStorage.floats;
import static dev.sparrow.backend.RoundedStorage.ints;
import static dev.sparrow.backend.RoundedStorage.round;

import dev.sparrow.tensor.Tensor;

/** The oracle's sparse experts, rounded once. */
final class RoundingGroupedSparseOps implements GroupedSparseOps {
  private final GroupedSparseOps ops;

  RoundingGroupedSparseOps(GroupedSparseOps ops) {
    this.ops = ops;
  }

  @Override
  public SparsePattern load(UniformPattern pattern, int experts) {
    return ops.load(pattern, experts);
  }

  @Override
  public void forward(Tensor x, Tensor values, SparsePattern pattern, Tensor offsets, Tensor y) {
    ops.forward(compute(x), compute(values), pattern, ints(offsets), compute(y));
    round(y);
  }

  @Override
  public void activatedForward(
      Activation f,
      Tensor x,
      Tensor values,
      SparsePattern pattern,
      Tensor offsets,
      Tensor h,
      Tensor y) {
    ops.activatedForward(
        f, compute(x), compute(values), pattern, ints(offsets), compute(h), compute(y));
    round(h, y);
  }

  @Override
  public void backwardInput(
      Tensor dy,
      Tensor values,
      SparsePattern pattern,
      Tensor offsets,
      boolean accumulate,
      Tensor dx) {
    ops.backwardInput(
        compute(dy), compute(values), pattern, ints(offsets), accumulate, compute(dx));
    round(dx);
  }

  @Override
  public void activatedBackwardInput(
      Activation f,
      Tensor dy,
      Tensor values,
      SparsePattern pattern,
      Tensor offsets,
      Tensor h,
      Tensor dh) {
    ops.activatedBackwardInput(
        f, compute(dy), compute(values), pattern, ints(offsets), compute(h), compute(dh));
    round(dh);
  }

  @Override
  public void backwardWeight(
      Tensor dy, Tensor x, SparsePattern pattern, Tensor offsets, Tensor dvalues) {
    ops.backwardWeight(compute(dy), compute(x), pattern, ints(offsets), floats(dvalues));
    round(dvalues);
  }
}
