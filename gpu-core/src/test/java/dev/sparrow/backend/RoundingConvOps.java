package dev.sparrow.backend;

import static dev.sparrow.backend.RoundedStorage.compute;
import static dev.sparrow.backend.RoundedStorage.floats;
import static dev.sparrow.backend.RoundedStorage.ints;
import static dev.sparrow.backend.RoundedStorage.round;

import dev.sparrow.tensor.Tensor;

/** The oracle's convolutions and pooling, rounded once. */
final class RoundingConvOps implements ConvOps {
  private final ConvOps ops;

  RoundingConvOps(ConvOps ops) {
    this.ops = ops;
  }

  @Override
  public void forward(ConvShape shape, Tensor x, Tensor w, Tensor y) {
    ops.forward(shape, compute(x), compute(w), compute(y));
    round(y);
  }

  @Override
  public void backwardInput(ConvShape shape, Tensor dy, Tensor w, boolean accumulate, Tensor dx) {
    ops.backwardInput(shape, compute(dy), compute(w), accumulate, compute(dx));
    round(dx);
  }

  @Override
  public void backwardWeight(ConvShape shape, Tensor dy, Tensor x, Tensor dw) {
    ops.backwardWeight(shape, compute(dy), compute(x), floats(dw));
    round(dw);
  }

  @Override
  public void patches(ConvShape shape, Tensor x, Tensor patches) {
    ops.patches(shape, compute(x), compute(patches));
  }

  @Override
  public void patchesBackward(ConvShape shape, Tensor dpatches, boolean accumulate, Tensor dx) {
    ops.patchesBackward(shape, compute(dpatches), accumulate, compute(dx));
    round(dx);
  }

  @Override
  public void maxPool(ConvShape shape, Tensor x, Tensor y, Tensor taps) {
    ops.maxPool(shape, compute(x), compute(y), ints(taps));
  }

  @Override
  public void maxPoolBackward(ConvShape shape, Tensor dy, Tensor taps, Tensor dx) {
    ops.maxPoolBackward(shape, compute(dy), ints(taps), compute(dx));
    round(dx);
  }
}
