package dev.sparrow.nn;

import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * Normalisation of (tokens, width). Keeps its output and statistics, and a reference to its input,
 * until the backward pass.
 */
public interface Norm {
  void parameters(Consumer<Parameter> sink);

  /** Takes memory for passes of at most {@code tokens} rows. */
  void reserve(Workspace workspace, int tokens);

  /**
   * @param x (tokens, width); must stay as it is until backward
   * @return (tokens, width), the norm's own buffer
   */
  Tensor forward(Tensor x);

  /**
   * Adds the gradients of the parameters and writes that of the input.
   *
   * @param dy (tokens, width), left as it is
   * @param accumulate {@code dx +=} instead of {@code =}: the sum with the residual path for free
   * @param dx (tokens, width), not dy
   */
  void backward(Tensor dy, boolean accumulate, Tensor dx);

  void describe(LayerSummary.Sink sink);
}
