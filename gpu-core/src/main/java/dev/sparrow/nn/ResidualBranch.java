package dev.sparrow.nn;

import dev.sparrow.tensor.Tensor;

/** A layer whose result joins the residual stream of a {@link Block}. */
public interface ResidualBranch extends Layer {
  /**
   * {@code result = residual + forward(x)}, in one pass over the result where the layer can.
   *
   * @param x (tokens, width), as in {@link Layer#forward}
   * @param residual (tokens, width), left as it is
   * @param result (tokens, width), the caller's, neither x nor residual
   */
  void forward(Tensor x, Tensor residual, Pass pass, Tensor result);
}
