package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/**
 * Products around a weight W (out, in) that is stored as a {@link UniformPattern} and the values of
 * its non-zeros, a matrix (liveRows, fanIn). Rows that are switched off are zero.
 *
 * <p>Sums run in an order that depends on shapes and pattern alone.
 */
public interface SparseOps {
  /** Brings a pattern to the device, once for each change of it. */
  SparsePattern load(UniformPattern pattern);

  /**
   * {@code y = x·Wᵀ (+ bias) (+ residual)}: x (rows, in), values (liveRows, fanIn) in the compute
   * type, y (rows, out).
   *
   * @param bias (out), or null
   * @param residual (rows, out), or null; may be y, which is then added to
   */
  void forward(
      Tensor x, Tensor values, SparsePattern pattern, Tensor bias, Tensor residual, Tensor y);

  /** {@code h = x·Wᵀ (+ bias)}, {@code y = f(h)}: h and y (rows, out), not the same. */
  void activatedForward(
      Activation f,
      Tensor x,
      Tensor values,
      SparsePattern pattern,
      Tensor bias,
      Tensor h,
      Tensor y);

  /** {@code dx = dy·W}, or {@code +=} with accumulate: dy (rows, out), dx (rows, in). */
  void backwardInput(
      Tensor dy, Tensor values, SparsePattern pattern, boolean accumulate, Tensor dx);

  /** {@code dh = (dy·W) ⊙ f'(h)}, where W was applied to f(h): h and dh (rows, in). */
  void activatedBackwardInput(
      Activation f, Tensor dy, Tensor values, SparsePattern pattern, Tensor h, Tensor dh);

  /**
   * The gradient of the non-zeros alone, a sampled dense-dense product: {@code dvalues[r, i] +=
   * Σ_rows dy[·, r]·x[·, column(r, i)]}; {@code dbias += Σ_rows dy} unless null.
   */
  void backwardWeight(Tensor dy, Tensor x, SparsePattern pattern, Tensor dvalues, Tensor dbias);

  /** {@code w = W}, zeros and all: w (out, in) of the same dtype as values. */
  void expand(Tensor values, SparsePattern pattern, Tensor w);

  /** {@code dvalues += dw} at the non-zeros: dw (out, in) and dvalues in the float type. */
  void sample(Tensor dw, SparsePattern pattern, Tensor dvalues);

  /**
   * {@code w = w ⊙ mask}: what is off the mask becomes zero, whatever it was.
   *
   * @param bits I32 (⌈n/32⌉), element i of w stays where bit i mod 32 of word i/32 is set
   * @param w of n elements in the float type
   */
  void mask(Tensor bits, Tensor w);

  /** Words of a mask over so many elements. */
  static int maskWords(int size) {
    return (int) (((long) size + Integer.SIZE - 1) / Integer.SIZE);
  }
}
