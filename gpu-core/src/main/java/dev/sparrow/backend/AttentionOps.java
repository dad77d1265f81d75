package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/**
 * Multi-head attention, causal or not, tile by tile: the scores of at most one tile of one head per
 * thread exist at a time, and the backward pass recomputes them (Dao 2023, FlashAttention-2).
 *
 * <p>Equations for one head, s = 1/sqrt(headWidth): {@code S = s·Q·Kᵀ} with {@code S_ij = -inf} for
 * j > i where it is causal, {@code L_i = logΣ_j exp(S_ij)}, {@code P = exp(S - L)}, {@code O =
 * P·V}. Backward: {@code D_i = <dO_i, O_i>}, {@code dV = Pᵀ·dO}, {@code dP = dO·Vᵀ}, {@code dS = P
 * ⊙ (dP - D)}, {@code dQ = s·dS·K}, {@code dK = s·dSᵀ·Q}. Dropout, where p > 0, falls on P after
 * the softmax; its draws are numbered {@code ((sequence·heads + head)·length + i)·length + j}.
 */
public interface AttentionOps {
  /** Dropout of the attention probabilities. p = 0: none. */
  record Dropout(double p, Draws draws) {
    public static final Dropout NONE = new Dropout(0, Draws.from(new RandomKey(0, 0), 0));
  }

  /**
   * @param qkv (tokens, 3·width): queries, keys, values side by side, heads contiguous in each
   * @param out (tokens, width)
   * @param logSumExp (sequences·heads, length), kept for backward
   */
  void forward(AttentionShape shape, Tensor qkv, Dropout dropout, Tensor out, Tensor logSumExp);

  /**
   * @param dout (tokens, width)
   * @param dqkv (tokens, 3·width), assigned
   */
  void backward(
      AttentionShape shape,
      Tensor qkv,
      Tensor out,
      Tensor logSumExp,
      Tensor dout,
      Dropout dropout,
      Tensor dqkv);

  /**
   * Generation with a key-value cache: appends the keys and values of {@code qkv} at {@code
   * position} and attends from its rows to all positions up to their own.
   *
   * @param shape causal; length is the number of new tokens of each sequence
   * @param keys (sequences, capacity, width)
   * @param values (sequences, capacity, width)
   * @param position tokens already in the cache
   * @param out (tokens, width)
   */
  void forwardCached(
      AttentionShape shape, Tensor qkv, Tensor keys, Tensor values, int position, Tensor out);
}
