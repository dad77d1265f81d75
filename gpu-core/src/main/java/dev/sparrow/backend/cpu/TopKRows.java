package dev.sparrow.backend.cpu;

/** The choice of experts for one token, and the gradient of its weights. */
final class TopKRows {
  private TopKRows() {}

  /**
   * The k largest of probability + bias, descending, ties to the lower expert. NaN counts as
   * smaller than all else, so that the experts are always k different ones.
   *
   * @param bias null for none
   * @param scores receives the k chosen scores from {@code so} on
   * @param experts receives the k experts from {@code eo} on
   */
  static void choose(
      float[] probabilities,
      int po,
      float[] bias,
      int bo,
      int count,
      int k,
      float[] scores,
      int so,
      int[] experts,
      int eo) {
    float worst = Float.NEGATIVE_INFINITY;
    for (int e = 0; e < count; e++) {
      float score = probabilities[po + e] + (bias == null ? 0 : bias[bo + e]);
      if (e < k || score > worst) {
        insert(score, e, Math.min(e, k - 1), scores, so, experts, eo);
        worst = scores[so + k - 1];
      }
    }
  }

  /** Puts the score before the first smaller one of the {@code filled} sorted ones. */
  private static void insert(
      float score, int expert, int filled, float[] scores, int so, int[] experts, int eo) {
    float value = Float.isNaN(score) ? Float.NEGATIVE_INFINITY : score;
    int at = filled;
    while (at > 0 && scores[so + at - 1] < value) {
      scores[so + at] = scores[so + at - 1];
      experts[eo + at] = experts[eo + at - 1];
      at--;
    }
    scores[so + at] = value;
    experts[eo + at] = expert;
  }

  /**
   * The factor that normalises the weights: {@code 1/(Σ q^p)^(1/p)}, 1 for p = 0. It is 0 where all
   * chosen probabilities underflow to 0 (a bias can choose such), so that no weight becomes NaN.
   */
  static float inverseNorm(float[] q, int qo, int k, double p) {
    if (p == 0) {
      return 1;
    }
    double sum = 0;
    for (int j = 0; j < k; j++) {
      sum += p == 1 ? q[qo + j] : StrictMath.pow(q[qo + j], p);
    }
    double norm = p == 1 ? sum : StrictMath.pow(sum, 1 / p);
    return norm == 0 ? 0 : (float) (1 / norm);
  }

  /** The weight's power in {@code dN/dq_j = w_j^(p-1)}. */
  static float normSlope(float weight, double p) {
    return p == 1 ? 1 : p == 2 ? weight : (float) StrictMath.pow(weight, p - 1);
  }
}
