package dev.sparrow.backend;

import static dev.sparrow.backend.RoundedStorage.compute;
import static dev.sparrow.backend.RoundedStorage.round;

import dev.sparrow.tensor.Tensor;

/** The oracle's nonlinearities, rounded once. */
final class RoundingActivationOps implements ActivationOps {
  private final ActivationOps ops;

  RoundingActivationOps(ActivationOps ops) {
    this.ops = ops;
  }

  @Override
  public void forward(Activation f, Tensor x, Tensor y) {
    ops.forward(f, compute(x), compute(y));
    round(y);
  }

  @Override
  public void backward(Activation f, Tensor x, Tensor dy, Tensor dx) {
    ops.backward(f, compute(x), compute(dy), compute(dx));
    round(dx);
  }

  @Override
  public void gated(Activation f, Tensor gate, Tensor up, Tensor y) {
    ops.gated(f, compute(gate), compute(up), compute(y));
    round(y);
  }

  @Override
  public void gatedBackward(
      Activation f, Tensor gate, Tensor up, Tensor dy, Tensor dgate, Tensor dup) {
    ops.gatedBackward(f, compute(gate), compute(up), compute(dy), compute(dgate), compute(dup));
    round(dgate, dup);
  }
}
