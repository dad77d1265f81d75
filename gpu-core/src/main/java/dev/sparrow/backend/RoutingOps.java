package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/**
 * The moves of a mixture-of-experts layer (Gale et al. 2022, §5): choose experts, sort the
 * assignments by expert, gather, weigh and scatter. T tokens, E experts, k experts a token, P = T·k
 * assignments; assignment a = t·k + j is token t's j-th choice.
 */
public interface RoutingOps {
  /**
   * Multiplicative noise on a router's input (Fedus et al. 2022, §2.4): {@code out_i = x_i·(1 -
   * epsilon + 2·epsilon·draw_i)}, or {@code +=} with accumulate; out may be x. The backward pass is
   * the same call on the gradient.
   *
   * @param epsilon in [0, 1)
   */
  void jitter(Tensor x, double epsilon, Draws draws, boolean accumulate, Tensor out);

  /**
   * Softmax over experts and the k largest of it.
   *
   * @param logits (T, E)
   * @param bias (E) added to the probabilities for the choice alone (loss-free balancing, Wang et
   *     al. 2024), or null; the weights always come from the unbiased probabilities
   * @param normalization p of the Lp norm that the k weights are divided by; 0: not divided
   * @param probabilities (T, E), kept for backward
   * @param weights (T, k), largest choice first; ties go to the lower expert
   * @param experts I32 (T, k)
   */
  void topK(
      Tensor logits,
      Tensor bias,
      double normalization,
      Tensor probabilities,
      Tensor weights,
      Tensor experts);

  /**
   * Gradient of {@link #topK} with the choice held fixed, plus that of the auxiliary losses.
   *
   * @param dweights (T, k)
   * @param dprobabilities (E) gradient that every token's probability of expert e receives besides
   *     (load balancing: {@code w·E·counts_e/(T·k·T)}), or null
   * @param zLossScale adds {@code zLossScale·2·logsumexp_t·p_te}; 0: none
   * @param logits (T, E) as in the forward pass
   * @param dlogits (T, E), assigned
   */
  void topKBackward(
      Tensor dweights,
      Tensor experts,
      Tensor weights,
      double normalization,
      Tensor probabilities,
      Tensor dprobabilities,
      double zLossScale,
      Tensor logits,
      Tensor dlogits);

  /**
   * Stable counting sort of the assignments by expert.
   *
   * @param experts I32 (T, k); entries of -1 are dropped assignments
   * @param offsets I32 (E + 1): first sorted row of each expert; the last is the number kept
   * @param tokenOf I32 (P): the token of each sorted row; rows past the last expert's are left
   *     alone
   * @param rowOf I32 (T, k): the sorted row of each assignment, -1 where it was dropped
   */
  void sort(Tensor experts, Tensor offsets, Tensor tokenOf, Tensor rowOf);

  /**
   * {@code load_e = offsets[e+1] - offsets[e]}: assignments of each expert.
   *
   * @param offsets I32 (E + 1)
   * @param load I32 (E)
   */
  void load(Tensor offsets, Tensor load);

  /** {@code sums_e += load_e}, both I32 (E). */
  void addLoad(Tensor load, Tensor sums);

  /**
   * Gradient of the load-balancing loss, the same for every token's probability of expert e: {@code
   * dprobabilities_e = scale·load_e}.
   *
   * @param load I32 (E)
   * @param dprobabilities (E), assigned
   */
  void loadBalancingGradient(Tensor load, double scale, Tensor dprobabilities);

  /**
   * {@code y[rowOf_tj] = x_t} for every choice j: x (T, width), rowOf I32 (T, k) of {@link #sort},
   * y (P, width). Rows of no assignment are left alone.
   */
  void gather(Tensor x, Tensor rowOf, Tensor y);

  /** {@code dx_t = Σ_j dy[rowOf_tj]}, in the order of j ({@code +=} with accumulate). */
  void gatherBackward(Tensor dy, Tensor rowOf, boolean accumulate, Tensor dx);

  /**
   * {@code out_t = Σ_j weights_tj·y[rowOf_tj]}, in the order of j ({@code +=} with accumulate): y
   * (P, width), rowOf I32 (T, k), weights (T, k), out (T, width). Dropped assignments add nothing.
   */
  void scatter(Tensor y, Tensor rowOf, Tensor weights, boolean accumulate, Tensor out);

  /**
   * {@code dy_p = weights_tj·dout_t} and {@code dweights_tj = <y_p, dout_t>} for {@code p =
   * rowOf_tj}; dweights of a dropped assignment is 0. dy may be y.
   */
  void scatterBackward(
      Tensor dout, Tensor y, Tensor rowOf, Tensor weights, Tensor dy, Tensor dweights);
}
