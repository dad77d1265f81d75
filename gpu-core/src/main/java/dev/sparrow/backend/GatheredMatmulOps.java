package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/**
 * The grouped products of {@link MatmulOps} whose x is read by an index (Tan et al. 2024,
 * "Scattered mixture-of-experts implementation"): row p of the product reads row {@code rows[p]} of
 * x, so that a token's row serves each of its experts as it lies, and no gathered copy (P, in) is
 * written, read or kept.
 *
 * <p>{@code rows} is I32 (P), read on the device; entries at and past {@code offsets[E]} are not
 * read. Results are those, bit for bit, of the grouped product on a gathered copy.
 */
public interface GatheredMatmulOps {
  /** {@code y_p = x[rows_p]·w[e]ᵀ} for the rows p of e: x (T, in), w (E, out, in), y (P, out). */
  void forward(Tensor x, Tensor rows, Tensor w, Tensor offsets, Tensor y);

  /** {@code h_p = x[rows_p]·w[e]ᵀ}, {@code y_p = f(h_p)}: h and y (P, out), not the same. */
  void activatedForward(
      Activation f, Tensor x, Tensor rows, Tensor w, Tensor offsets, Tensor h, Tensor y);

  /** {@code dw[e] += Σ dy_pᵀ·x[rows_p]} over the rows p of e: dy (P, out), x (T, in). */
  void backwardWeight(Tensor dy, Tensor x, Tensor rows, Tensor offsets, Tensor dw);
}
