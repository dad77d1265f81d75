package dev.sparrow.nn;

import dev.sparrow.backend.ConvShape;
import dev.sparrow.tensor.Tensor;

/** The products of a matrix (out, patch) with all that a window sees, made without patches. */
public interface WindowProducts {
  /**
   * Whether windows of one pixel, whose patches are the rows as they lie, are made here, too; else
   * they are products of rows.
   */
  default boolean takesPixels() {
    return false;
  }

  /**
   * {@code y = P·Wᵀ}: x (rows, channels), y (outRows, out).
   *
   * @param pass tells a matrix with a normalisation inside whether it trains
   */
  void forward(ConvShape shape, Tensor x, Pass pass, Tensor y);

  /**
   * Adds the gradients of the matrix, and writes that of x.
   *
   * @param x (rows, channels) as in the forward pass
   * @param dy (outRows, out)
   * @param dx (rows, channels), or null; {@code +=} with accumulate
   */
  void backward(ConvShape shape, Tensor x, Tensor dy, boolean accumulate, Tensor dx);
}
