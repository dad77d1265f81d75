package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/** Losses, fused with their gradient. */
public interface LossOps {
  /** Target of a row that counts neither in the loss nor in the gradient. */
  int IGNORE = -1;

  /**
   * Softmax cross-entropy: {@code losses_i = logΣ_j exp(logits_ij) - logits_i,target}; 0 for a row
   * whose target is {@link #IGNORE}. Logits are left as they are.
   *
   * @param logits (rows, columns)
   * @param classes the first columns, at most all; those behind are padding and take no part
   * @param targets I32 (rows)
   * @param losses (rows)
   */
  void crossEntropy(Tensor logits, int classes, Tensor targets, Tensor losses);

  /**
   * The same losses, and the logits replaced by their gradient {@code scale·(softmax - onehot)}, 0
   * in ignored rows and in padding.
   */
  void crossEntropyWithGradient(
      Tensor logits, int classes, Tensor targets, double scale, Tensor losses);

  /**
   * {@code total = Σ x}, or {@code +=} with accumulate, in double and in a fixed order.
   *
   * @param x in {@link Backend#floatType}
   * @param total F64 (1)
   */
  void sum(Tensor x, boolean accumulate, Tensor total);

  /** {@link #sum}; returns when it is known. */
  double sumSync(Tensor x);
}
