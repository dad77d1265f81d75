package dev.sparrow.nn;

import dev.sparrow.backend.Activation;
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

  /**
   * The matrix where it is stored whole and multiplied as it is, for products that do more than
   * this interface has, such as convolutions; null in other forms, which see such products as
   * products of rows. The form may change between steps.
   */
  default Parameter whole() {
    return null;
  }

  /** Whether {@link #whole} is never null, so that products of rows need no memory. */
  default boolean staysWhole() {
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
