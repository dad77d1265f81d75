package dev.sparrow.nn;

import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/** A differentiable function of (tokens, width) activations with its own parameters. */
public interface Layer {
  /** Names all parameters in the order in which forward uses them. */
  void parameters(Consumer<Parameter> sink);

  /** Names all tensors that are saved but not trained; most layers have none. */
  default void buffers(Consumer<Buffer> sink) {}

  /** Takes memory for passes of at most {@code tokens} rows. Called before the first pass. */
  void reserve(Workspace workspace, int tokens);

  /**
   * @param x (tokens, in); left as it is, and must stay so until backward
   * @return (tokens, out), the layer's own buffer or scratch, valid until the next call of a layer
   *     and free for the caller to change
   */
  Tensor forward(Tensor x, Pass pass);

  /**
   * Adds the gradients of the parameters and returns that of the input.
   *
   * @param dy (tokens, out); left as it is, for it is the residual path's gradient too, except by
   *     layers that say that they turn it into the result
   * @return (tokens, in), the layer's own buffer or scratch, valid until the next call of a layer
   *     and free for the caller to change
   */
  Tensor backward(Tensor dy, Pass pass);

  /**
   * Whether passes may be recorded once and replayed on other values: false where a pass waits for
   * the device or decides by what the device computed.
   */
  default boolean recordable() {
    return true;
  }

  /** Tells the figures of the last pass, such as expert load; may wait for the device. */
  default void figures(FigureSink sink) {}

  /** Adds a row per part for inspection; sizes and FLOPs, nothing is run. */
  void describe(LayerSummary.Sink sink);
}
