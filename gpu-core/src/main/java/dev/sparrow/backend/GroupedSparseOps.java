package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/**
 * {@link SparseOps} for the matrices of all experts of a mixture, stacked: one {@link
 * UniformPattern} of (experts·out, in), whose values are a matrix (liveRows, fanIn). Every row has
 * the same fan-in, whichever expert it belongs to; an expert may have all its rows switched off.
 *
 * <p>Rows {@code [offsets[e], offsets[e+1])} of a batch meet expert e, as in the grouped products
 * of {@link MatmulOps}: offsets are an I32 tensor that is read on the device, rows past the last
 * are left alone, and an expert without rows gets nothing added to its gradient.
 *
 * <p>Sums run in an order that depends on shapes, offsets and pattern alone.
 */
public interface GroupedSparseOps {
  /**
   * Brings a pattern to the device, once for each change of it.
   *
   * @throws IllegalArgumentException where its rows are not so many times whole groups
   */
  SparsePattern load(UniformPattern pattern, int experts);

  /**
   * {@code y[rows of e] = x[rows of e]·W_eᵀ}: x (P, in), values (liveRows, fanIn) in the compute
   * type, y (P, out).
   */
  void forward(Tensor x, Tensor values, SparsePattern pattern, Tensor offsets, Tensor y);

  /** {@code h[rows of e] = x[rows of e]·W_eᵀ}, {@code y = f(h)} in those rows. */
  void activatedForward(
      Activation f,
      Tensor x,
      Tensor values,
      SparsePattern pattern,
      Tensor offsets,
      Tensor h,
      Tensor y);

  /** {@code dx[rows of e] = dy[rows of e]·W_e}, or {@code +=} with accumulate. */
  void backwardInput(
      Tensor dy,
      Tensor values,
      SparsePattern pattern,
      Tensor offsets,
      boolean accumulate,
      Tensor dx);

  /** {@code dh[rows of e] = (dy[rows of e]·W_e) ⊙ f'(h[rows of e])}. */
  void activatedBackwardInput(
      Activation f,
      Tensor dy,
      Tensor values,
      SparsePattern pattern,
      Tensor offsets,
      Tensor h,
      Tensor dh);

  /**
   * The gradient of the non-zeros alone: {@code dvalues[r, i] += Σ dy[·, r]·x[·, column(r, i)]}
   * over the rows of r's expert.
   */
  void backwardWeight(Tensor dy, Tensor x, SparsePattern pattern, Tensor offsets, Tensor dvalues);
}
