package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/** Copies, fills and sums over tensors of equal size; shapes need not be equal. */
public interface ElementwiseOps {
  /** {@code out = value}. */
  void fill(Tensor out, double value);

  /** {@code out = x}, converted where the dtypes are two float types. */
  void copy(Tensor x, Tensor out);

  /** {@code out = a + b}; out may be a or b. */
  void add(Tensor a, Tensor b, Tensor out);

  /** {@code out += alpha * x}. */
  void axpy(double alpha, Tensor x, Tensor out);

  /** {@code out = alpha * x}; out may be x. */
  void scale(double alpha, Tensor x, Tensor out);

  /**
   * Inverted dropout: {@code out_i = x_i / (1 - p)} where draw i is at least p, else 0; out may be
   * x. The backward pass is the same call on the gradient: the mask is recomputed, never stored.
   *
   * @param p probability of dropping, in [0, 1)
   */
  void dropout(Tensor x, double p, Draws draws, Tensor out);

  /**
   * {@code total = Σ x²} of a float tensor, in double and in a fixed order.
   *
   * @param total F64 (1)
   */
  void squaredNorm(Tensor x, Tensor total);

  /** {@link #squaredNorm}; returns when it is known. */
  double squaredNormSync(Tensor x);
}
