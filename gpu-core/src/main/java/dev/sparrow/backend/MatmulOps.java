package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/**
 * Dense and grouped products around a weight stored (out, in).
 *
 * <p>What follows a product element by element is done on its way out, where it costs no pass over
 * memory: the bias, the residual stream that a result joins, and the nonlinearity f of a
 * feed-forward. An activated product keeps the input h of f for the backward pass; f is taken of h
 * before h is rounded to its tensor's type.
 *
 * <p>The grouped forms are MegaBlocks' products (Gale et al. 2022, §5.1) with ragged rows instead
 * of blocks: rows {@code [offsets[e], offsets[e+1])} of x belong to expert e, whose weight is
 * {@code w[e]} (out, in). {@code offsets} is an I32 tensor of E + 1 non-decreasing row numbers that
 * starts at 0 and is read on the device. Rows past {@code offsets[E]} are left alone. An expert
 * without rows gets nothing added to its gradient.
 */
public interface MatmulOps {
  /**
   * {@code y = x·wᵀ (+ bias) (+ residual)}: x (rows, in), w (out, in), y (rows, out).
   *
   * @param bias (out), or null
   * @param residual (rows, out) in y's type, or null; may be y, which is then added to
   */
  void forward(Tensor x, Tensor w, Tensor bias, Tensor residual, Tensor y);

  /**
   * {@code h = x·wᵀ (+ bias)}, {@code y = f(h)}: h and y (rows, out), not the same.
   *
   * @param bias (out), or null
   */
  void activatedForward(Activation f, Tensor x, Tensor w, Tensor bias, Tensor h, Tensor y);

  /**
   * {@code dx = dy·w}, or {@code +=} with accumulate: dy (rows, out), w (out, in), dx (rows, in).
   */
  void backwardInput(Tensor dy, Tensor w, boolean accumulate, Tensor dx);

  /**
   * {@code dh = (dy·w) ⊙ f'(h)}, where w was applied to f(h): h and dh (rows, in), not the same.
   */
  void activatedBackwardInput(Activation f, Tensor dy, Tensor w, Tensor h, Tensor dh);

  /** {@code dw += dyᵀ·x}, {@code dbias += Σ_rows dy}; dbias may be null. */
  void backwardWeight(Tensor dy, Tensor x, Tensor dw, Tensor dbias);

  /** {@code y[rows of e] = x[rows of e]·w[e]ᵀ}: x (P, in), w (E, out, in), y (P, out). */
  void groupedForward(Tensor x, Tensor w, Tensor offsets, Tensor y);

  /** {@code h[rows of e] = x[rows of e]·w[e]ᵀ}, {@code y = f(h)} in those rows. */
  void groupedActivatedForward(
      Activation f, Tensor x, Tensor w, Tensor offsets, Tensor h, Tensor y);

  /** {@code dx[rows of e] = dy[rows of e]·w[e]}, or {@code +=} with accumulate. */
  void groupedBackwardInput(Tensor dy, Tensor w, Tensor offsets, boolean accumulate, Tensor dx);

  /** {@code dh[rows of e] = (dy[rows of e]·w[e]) ⊙ f'(h[rows of e])}. */
  void groupedActivatedBackwardInput(
      Activation f, Tensor dy, Tensor w, Tensor offsets, Tensor h, Tensor dh);

  /** {@code dw[e] += dy[rows of e]ᵀ·x[rows of e]}. */
  void groupedBackwardWeight(Tensor dy, Tensor x, Tensor offsets, Tensor dw);

  /**
   * The grouped products that read rows of x by an index; null where a copy gathered once by {@link
   * RoutingOps#gather} is the faster way.
   */
  default GatheredMatmulOps gathered() {
    return null;
  }
}
