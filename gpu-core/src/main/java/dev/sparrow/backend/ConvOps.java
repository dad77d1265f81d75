package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/**
 * What slides a window over images, see {@link ConvShape}: convolutions, which are products of
 * patches and never make all of them at once; patches themselves, for weights that only know
 * products of rows; and maximum pooling.
 *
 * <p>With {@code P} the patches (outRows, kernel·kernel·channels) of x, zeros where they pass the
 * image's edge: {@code y = P·wᵀ}, {@code dP = dy·w} of which each pixel of dx takes the sum over
 * the windows that saw it, {@code dw += dyᵀ·P}. A row of w, a filter, is (kernel, kernel,
 * channels).
 */
public interface ConvOps {
  /** {@code y = P·wᵀ}: x (rows, channels), w (out, patch), y (outRows, out). */
  void forward(ConvShape shape, Tensor x, Tensor w, Tensor y);

  /**
   * The gradient of x, assigned or added with accumulate: dy (outRows, out), dx (rows, channels).
   */
  void backwardInput(ConvShape shape, Tensor dy, Tensor w, boolean accumulate, Tensor dx);

  /** {@code dw += dyᵀ·P}: dy (outRows, out), x (rows, channels), dw (out, patch). */
  void backwardWeight(ConvShape shape, Tensor dy, Tensor x, Tensor dw);

  /** P itself: x (rows, channels), patches (outRows, patch). */
  void patches(ConvShape shape, Tensor x, Tensor patches);

  /**
   * {@code dx = } the sum over the windows that saw each pixel, or {@code +=} with accumulate:
   * dpatches (outRows, patch), dx (rows, channels).
   */
  void patchesBackward(ConvShape shape, Tensor dpatches, boolean accumulate, Tensor dx);

  /**
   * The largest number of each channel in the window; pixels past the edge take no part.
   *
   * @param x (rows, channels)
   * @param y (outRows, channels)
   * @param taps I32 (outRows, channels): where in the window it was, row·kernel + column; of equal
   *     ones the first
   */
  void maxPool(ConvShape shape, Tensor x, Tensor y, Tensor taps);

  /** {@code dx = } the sum of dy over the windows whose largest number a pixel was. */
  void maxPoolBackward(ConvShape shape, Tensor dy, Tensor taps, Tensor dx);
}
