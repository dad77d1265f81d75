package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/** Copies, fills and sums over tensors of equal size; shapes need not be equal. */
public interface ElementwiseOps {
  /** {@code out = value}. */
  void fill(Tensor out, double value);

  /** {@code out = x}, equal dtypes. */
  void copy(Tensor x, Tensor out);

  /** {@code out = a + b}; out may be a or b. */
  void add(Tensor a, Tensor b, Tensor out);

  /** {@code out += alpha * x}. */
  void axpy(double alpha, Tensor x, Tensor out);

  /** {@code out = alpha * x}; out may be x. */
  void scale(double alpha, Tensor x, Tensor out);

  /**
   * Inverted dropout: {@code out_i = x_i / (1 - p)} where {@code Philox(key, counter + i) >= p},
   * else 0; out may be x. The backward pass is the same call on the gradient: the mask is
   * recomputed, never stored.
   *
   * @param p probability of dropping, in [0, 1)
   * @param counter index of the first element in the key's stream, so that the mask follows the
   *     sample and not the rank that happens to hold it
   */
  void dropout(Tensor x, double p, RandomKey key, long counter, Tensor out);

  /** Sum of squares of a float tensor in double, in a fixed order; returns when it is known. */
  double squaredNormSync(Tensor x);
}
