package dev.sparrow.nn;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.ConvShape;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * The matrix of a {@link Linear}, (out, in), in whatever form the method chose: dense, uniformly
 * sparse, low-rank. The one place where a training method meets a product.
 */
public interface LinearWeight {
  int in();

  int out();

  void parameters(Consumer<Parameter> sink);

  /** Names what is saved but not trained; dense weights have nothing. */
  default void buffers(Consumer<Buffer> sink) {}

  /** Takes memory of its own for at most {@code rows} rows; dense weights need none. */
  void reserve(Workspace workspace, int rows);

  /** {@code y = x·Wᵀ (+ bias) (+ residual)}; bias and residual may be null, residual may be y. */
  void forward(Tensor x, Tensor bias, Tensor residual, Tensor y);

  /** {@code h = x·Wᵀ (+ bias)}, {@code y = f(h)}; bias may be null. */
  void activatedForward(Activation f, Tensor x, Tensor bias, Tensor h, Tensor y);

  /**
   * Adds the gradients of the weight and, unless null, of the bias, and writes {@code dx = dy·W}
   * ({@code +=} with accumulate) unless dx is null.
   */
  void backward(Tensor x, Tensor dy, Tensor dbias, boolean accumulate, Tensor dx);

  /**
   * As {@link #backward} where x = f(h), with the gradient of h for that of x: {@code dh = (dy·W) ⊙
   * f'(h)}.
   */
  void activatedBackward(Activation f, Tensor h, Tensor x, Tensor dy, Tensor dbias, Tensor dh);

  /** The same for the windows of a convolution over at most so many images. */
  default void reserve(Workspace workspace, ConvShape batch) {
    reserve(workspace, batch.outRows());
  }

  /**
   * How the form convolves; null where it only knows products of rows, which are then patches. The
   * form may change between steps.
   */
  default WindowProducts windows() {
    return null;
  }

  /** Whether {@link #windows} is never null, so that patches need no memory. */
  default boolean alwaysHasWindows() {
    return false;
  }

  /** The form in words for inspection: {@code dense}. */
  String kind();

  /** Of what is held and trained. */
  long parameterCount();

  /** Of those that may differ from zero. */
  default long activeParameterCount() {
    return parameterCount();
  }

  /** Multiply and add counted as two. */
  double forwardFlopsPerRow();
}
