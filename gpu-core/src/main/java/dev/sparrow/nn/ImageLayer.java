package dev.sparrow.nn;

import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/** A layer of a convolutional network, over images as rows (samples·height·width, channels). */
public interface ImageLayer {
  /** Names all parameters in the order in which forward uses them. */
  default void parameters(Consumer<Parameter> sink) {}

  default void buffers(Consumer<Buffer> sink) {}

  void reserve(Workspace workspace, int samples);

  /**
   * @param x left as it is, and must stay so until backward
   * @return the layer's own buffer, free for nobody to change until backward
   */
  Tensor forward(Tensor x, Pass pass);

  /**
   * Adds the gradients of the parameters.
   *
   * @param dy as the result of forward, used up
   * @return that of the input, scratch or dy itself; null of a network's first layer
   */
  Tensor backward(Tensor dy);

  /** FLOPs of one image. */
  default void describe(LayerSummary.Sink sink) {}
}
