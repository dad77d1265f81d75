package dev.sparrow.nn;

import dev.sparrow.backend.ConvOps;
import dev.sparrow.backend.ConvShape;
import dev.sparrow.tensor.Tensor;

/** {@link WindowProducts} of a matrix that is stored whole: the device's convolutions. */
public record WholeWindows(ConvOps ops, Parameter weight) implements WindowProducts {
  @Override
  public void forward(ConvShape shape, Tensor x, Pass pass, Tensor y) {
    ops.forward(shape, x, weight.operand(), y);
  }

  @Override
  public void backward(ConvShape shape, Tensor x, Tensor dy, boolean accumulate, Tensor dx) {
    ops.backwardWeight(shape, dy, x, weight.gradient());
    if (dx != null) {
      ops.backwardInput(shape, dy, weight.operand(), accumulate, dx);
    }
  }
}
