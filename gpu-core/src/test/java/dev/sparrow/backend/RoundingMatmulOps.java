package dev.sparrow.backend;

import static dev.sparrow.backend.RoundedStorage.compute;
import static dev.sparrow.backend.RoundedStorage.floats;
import static dev.sparrow.backend.RoundedStorage.ints;
import static dev.sparrow.backend.RoundedStorage.round;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/** The oracle's products, rounded once. A router's weight and logits are F32, and so is its dy. */
final class RoundingMatmulOps implements MatmulOps {
  private final MatmulOps ops;

  RoundingMatmulOps(MatmulOps ops) {
    this.ops = ops;
  }

  @Override
  public void forward(Tensor x, Tensor w, Tensor bias, Tensor residual, Tensor y) {
    boolean router = w.dtype() == DType.F32;
    ops.forward(
        compute(x),
        router ? floats(w) : compute(w),
        compute(bias),
        router ? floats(residual) : compute(residual),
        router ? floats(y) : compute(y));
    round(y);
  }

  @Override
  public void activatedForward(Activation f, Tensor x, Tensor w, Tensor bias, Tensor h, Tensor y) {
    ops.activatedForward(f, compute(x), compute(w), compute(bias), compute(h), compute(y));
    round(h, y);
  }

  @Override
  public void backwardInput(Tensor dy, Tensor w, boolean accumulate, Tensor dx) {
    boolean router = w.dtype() == DType.F32;
    ops.backwardInput(
        router ? floats(dy) : compute(dy),
        router ? floats(w) : compute(w),
        accumulate,
        compute(dx));
    round(dx);
  }

  @Override
  public void activatedBackwardInput(Activation f, Tensor dy, Tensor w, Tensor h, Tensor dh) {
    ops.activatedBackwardInput(f, compute(dy), compute(w), compute(h), compute(dh));
    round(dh);
  }

  @Override
  public void backwardWeight(Tensor dy, Tensor x, Tensor dw, Tensor dbias) {
    boolean router = dy.dtype() == DType.F32;
    ops.backwardWeight(router ? floats(dy) : compute(dy), compute(x), floats(dw), floats(dbias));
    round(dw, dbias);
  }

  @Override
  public void groupedForward(Tensor x, Tensor w, Tensor offsets, Tensor y) {
    ops.groupedForward(compute(x), compute(w), ints(offsets), compute(y));
    round(y);
  }

  @Override
  public void groupedActivatedForward(
      Activation f, Tensor x, Tensor w, Tensor offsets, Tensor h, Tensor y) {
    ops.groupedActivatedForward(f, compute(x), compute(w), ints(offsets), compute(h), compute(y));
    round(h, y);
  }

  @Override
  public void groupedActivatedBackwardInput(
      Activation f, Tensor dy, Tensor w, Tensor offsets, Tensor h, Tensor dh) {
    ops.groupedActivatedBackwardInput(
        f, compute(dy), compute(w), ints(offsets), compute(h), compute(dh));
    round(dh);
  }

  @Override
  public void groupedBackwardInput(
      Tensor dy, Tensor w, Tensor offsets, boolean accumulate, Tensor dx) {
    ops.groupedBackwardInput(compute(dy), compute(w), ints(offsets), accumulate, compute(dx));
    round(dx);
  }

  @Override
  public void groupedBackwardWeight(Tensor dy, Tensor x, Tensor offsets, Tensor dw) {
    ops.groupedBackwardWeight(compute(dy), compute(x), ints(offsets), floats(dw));
    round(dw);
  }
}
