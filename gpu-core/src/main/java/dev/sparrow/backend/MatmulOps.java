package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/**
 * Dense and grouped products around a weight stored (out, in).
 *
 * <p>The grouped forms are MegaBlocks' products (Gale et al. 2022, §5.1) with ragged rows instead
 * of blocks: rows {@code [offsets[e], offsets[e+1])} of x belong to expert e, whose weight is
 * {@code w[e]} (out, in). {@code offsets} is an I32 tensor of E + 1 non-decreasing row numbers that
 * starts at 0 and is read on the device. Rows past {@code offsets[E]} are left alone. An expert
 * without rows gets nothing added to its gradient.
 */
public interface MatmulOps {
  /**
   * {@code y = x·wᵀ (+ bias)}: x (rows, in), w (out, in), bias (out) or null, y (rows, out).
   *
   * @param accumulate {@code y += ...} instead of {@code =}
   */
  void forward(Tensor x, Tensor w, Tensor bias, boolean accumulate, Tensor y);

  /**
   * {@code dx = dy·w}, or {@code +=} with accumulate: dy (rows, out), w (out, in), dx (rows, in).
   */
  void backwardInput(Tensor dy, Tensor w, boolean accumulate, Tensor dx);

  /** {@code dw += dyᵀ·x}, {@code dbias += Σ_rows dy}; dbias may be null. */
  void backwardWeight(Tensor dy, Tensor x, Tensor dw, Tensor dbias);

  /** {@code y[rows of e] = x[rows of e]·w[e]ᵀ}: x (P, in), w (E, out, in), y (P, out). */
  void groupedForward(Tensor x, Tensor w, Tensor offsets, Tensor y);

  /** {@code dx[rows of e] = dy[rows of e]·w[e]}, or {@code +=} with accumulate. */
  void groupedBackwardInput(Tensor dy, Tensor w, Tensor offsets, boolean accumulate, Tensor dx);

  /** {@code dw[e] += dy[rows of e]ᵀ·x[rows of e]}. */
  void groupedBackwardWeight(Tensor dy, Tensor x, Tensor offsets, Tensor dw);
}
