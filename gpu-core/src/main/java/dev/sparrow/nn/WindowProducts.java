package dev.sparrow.nn;

import dev.sparrow.backend.ConvShape;
import dev.sparrow.tensor.Tensor;

/** The products of a matrix (out, patch) with all that a window sees, made without patches. */
public interface WindowProducts {
  /** {@code y = P·Wᵀ}: x (rows, channels), y (outRows, out). */
  void forward(ConvShape shape, Tensor x, Tensor y);

  /**
   * Adds the gradients of the matrix, and writes that of x.
   *
   * @param x (rows, channels) as in the forward pass
   * @param dy (outRows, out)
   * @param dx (rows, channels), or null; {@code +=} with accumulate
   */
  void backward(ConvShape shape, Tensor x, Tensor dy, boolean accumulate, Tensor dx);
}
