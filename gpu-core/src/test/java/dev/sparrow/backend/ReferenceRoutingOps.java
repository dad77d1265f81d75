package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/** Routing, permutation and their gradients in double. */
final class ReferenceRoutingOps implements RoutingOps {
  @Override
  public void jitter(Tensor x, double epsilon, Draws draws, boolean accumulate, Tensor out) {
    Checks.size("jitter: out", x.size(), out);
    for (int i = 0; i < out.size(); i++) {
      double factor = 1 - epsilon + 2 * epsilon * Philox.uniform(draws.key(), draws.counter() + i);
      double old = accumulate ? Doubles.of(out).get(i) : 0;
      Doubles.of(out).set(i, old + Doubles.of(x).get(i) * factor);
    }
  }

  @Override
  public void load(Tensor offsets, Tensor load) {
    offsets.require("offsets", (int) load.size() + 1);
    for (int e = 0; e < load.size(); e++) {
      Ints.of(load).set(e, Ints.of(offsets).get(e + 1) - Ints.of(offsets).get(e));
    }
  }

  @Override
  public void addLoad(Tensor load, Tensor sums) {
    Checks.size("sums", load.size(), sums);
    for (int e = 0; e < load.size(); e++) {
      Ints.of(sums).set(e, Ints.of(sums).get(e) + Ints.of(load).get(e));
    }
  }

  @Override
  public void loadBalancingGradient(Tensor load, double scale, Tensor dprobabilities) {
    Checks.size("dprobabilities", load.size(), dprobabilities);
    for (int e = 0; e < load.size(); e++) {
      Doubles.of(dprobabilities).set(e, scale * Ints.of(load).get(e));
    }
  }

  @Override
  public void topK(
      Tensor logits,
      Tensor bias,
      double normalization,
      Tensor probabilities,
      Tensor weights,
      Tensor experts) {
    int tokens = logits.rows();
    int k = weights.columns();
    requireRouting(logits, weights, experts, probabilities);
    if (bias != null) {
      bias.require("bias", logits.columns());
    }
    for (int t = 0; t < tokens; t++) {
      double logSumExp = ReferenceLossOps.logSumExp(logits, logits.columns(), t);
      for (int e = 0; e < logits.columns(); e++) {
        double p = StrictMath.exp(Doubles.of(logits).get(t, e) - logSumExp);
        Doubles.of(probabilities).set(t, e, p);
      }
      choose(t, bias, probabilities, experts);
      double norm = norm(t, probabilities, experts, normalization);
      for (int j = 0; j < k; j++) {
        int expert = Ints.of(experts).get(t, j);
        Doubles.of(weights).set(t, j, Doubles.of(probabilities).get(t, expert) / norm);
      }
    }
  }

  private static void requireRouting(
      Tensor logits, Tensor weights, Tensor experts, Tensor probabilities) {
    int k = weights.columns();
    if (k < 1 || k > logits.columns()) {
      throw new IllegalArgumentException(
          "weights: expected 1 to %d experts per token, got %s"
              .formatted(logits.columns(), weights.shape()));
    }
    probabilities.require("probabilities", logits.rows(), logits.columns());
    weights.require("weights", logits.rows(), k);
    experts.require("experts", logits.rows(), k);
  }

  /** The k largest of probability + bias, largest first, ties to the lower expert. */
  private static void choose(int t, Tensor bias, Tensor probabilities, Tensor experts) {
    boolean[] taken = new boolean[probabilities.columns()];
    for (int j = 0; j < experts.columns(); j++) {
      int best = -1;
      double bestScore = 0;
      for (int e = 0; e < probabilities.columns(); e++) {
        double score = Doubles.of(probabilities).get(t, e);
        score += bias == null ? 0 : Doubles.of(bias).get(e);
        if (!taken[e] && (best < 0 || score > bestScore)) {
          best = e;
          bestScore = score;
        }
      }
      taken[best] = true;
      Ints.of(experts).set(t, j, best);
    }
  }

  /** N = (Σ_j p_j^n)^(1/n) over the chosen experts; 1 where n is 0. */
  private static double norm(int t, Tensor probabilities, Tensor experts, double n) {
    if (n == 0) {
      return 1;
    }
    double sum = 0;
    for (int j = 0; j < experts.columns(); j++) {
      double p = Doubles.of(probabilities).get(t, Ints.of(experts).get(t, j));
      sum += StrictMath.pow(p, n);
    }
    return StrictMath.pow(sum, 1 / n);
  }

  @Override
  public void topKBackward(
      Tensor dweights,
      Tensor experts,
      Tensor weights,
      double normalization,
      Tensor probabilities,
      Tensor dprobabilities,
      double zLossScale,
      Tensor logits,
      Tensor dlogits) {
    requireRouting(logits, weights, experts, probabilities);
    dweights.require("dweights", weights.rows(), weights.columns());
    dlogits.require("dlogits", logits.rows(), logits.columns());
    if (dprobabilities != null) {
      dprobabilities.require("dprobabilities", logits.columns());
    }
    for (int t = 0; t < logits.rows(); t++) {
      double[] dp = new double[logits.columns()];
      for (int e = 0; e < dp.length; e++) {
        dp[e] = dprobabilities == null ? 0 : Doubles.of(dprobabilities).get(e);
      }
      addWeightGradient(t, dweights, experts, weights, normalization, probabilities, dp);
      softmaxBackward(t, dp, probabilities, zLossScale, logits, dlogits);
    }
  }

  /**
   * w_j = p_j/N, so {@code dp_j += (dw_j - w_j^(n-1)·Σ_i dw_i·w_i)/N}; without normalisation {@code
   * dp_j += dw_j}.
   */
  private static void addWeightGradient(
      int t,
      Tensor dweights,
      Tensor experts,
      Tensor weights,
      double n,
      Tensor probabilities,
      double[] dp) {
    double norm = norm(t, probabilities, experts, n);
    double dot = 0;
    for (int j = 0; j < weights.columns(); j++) {
      dot += Doubles.of(dweights).get(t, j) * Doubles.of(weights).get(t, j);
    }
    for (int j = 0; j < weights.columns(); j++) {
      double w = Doubles.of(weights).get(t, j);
      double along = n == 0 ? 0 : StrictMath.pow(w, n - 1) * dot;
      dp[Ints.of(experts).get(t, j)] += (Doubles.of(dweights).get(t, j) - along) / norm;
    }
  }

  /** dlogit_e = p_e·(dp_e - Σ_i dp_i·p_i) + zLossScale·2·logsumexp·p_e */
  private static void softmaxBackward(
      int t, double[] dp, Tensor probabilities, double zLossScale, Tensor logits, Tensor dlogits) {
    double dot = 0;
    for (int e = 0; e < dp.length; e++) {
      dot += dp[e] * Doubles.of(probabilities).get(t, e);
    }
    double z = zLossScale * 2 * ReferenceLossOps.logSumExp(logits, logits.columns(), t);
    for (int e = 0; e < dp.length; e++) {
      Doubles.of(dlogits).set(t, e, Doubles.of(probabilities).get(t, e) * (dp[e] - dot + z));
    }
  }

  @Override
  public void sort(Tensor experts, Tensor offsets, Tensor tokenOf, Tensor rowOf) {
    Checks.size("tokenOf", experts.size(), tokenOf);
    Checks.size("rowOf", experts.size(), rowOf);
    int row = 0;
    int dropped = 0;
    for (int e = 0; e < offsets.size() - 1; e++) {
      Ints.of(offsets).set(e, row);
      row = placeAll(e, experts, tokenOf, rowOf, row);
    }
    Ints.of(offsets).set((int) offsets.size() - 1, row);
    for (int a = 0; a < experts.size(); a++) {
      if (Ints.of(experts).get(a) == -1) {
        Ints.of(rowOf).set(a, -1);
        dropped++;
      }
    }
    if (row + dropped != experts.size()) {
      throw new IllegalArgumentException(
          "experts: expected values in [-1, %d), got others in %d places"
              .formatted(offsets.size() - 1, experts.size() - row - dropped));
    }
  }

  private static int placeAll(
      int expert, Tensor experts, Tensor tokenOf, Tensor rowOf, int firstRow) {
    int row = firstRow;
    for (int a = 0; a < experts.size(); a++) {
      if (Ints.of(experts).get(a) == expert) {
        Ints.of(rowOf).set(a, row);
        Ints.of(tokenOf).set(row++, a / rowOf.columns());
      }
    }
    return row;
  }

  @Override
  public void gather(Tensor x, Tensor rowOf, Tensor y) {
    requireMoves("gather", x, rowOf, y);
    for (int a = 0; a < rowOf.size(); a++) {
      int row = Ints.of(rowOf).get(a);
      for (int c = 0; row >= 0 && c < x.columns(); c++) {
        Doubles.of(y).set(row, c, Doubles.of(x).get(a / rowOf.columns(), c));
      }
    }
  }

  @Override
  public void gatherBackward(Tensor dy, Tensor rowOf, boolean accumulate, Tensor dx) {
    requireMoves("gatherBackward", dx, rowOf, dy);
    for (int t = 0; t < dx.rows(); t++) {
      for (int c = 0; c < dx.columns(); c++) {
        double sum = 0;
        for (int j = 0; j < rowOf.columns(); j++) {
          int row = Ints.of(rowOf).get(t, j);
          sum += row < 0 ? 0 : Doubles.of(dy).get(row, c);
        }
        Doubles.of(dx).put(t, c, sum, accumulate);
      }
    }
  }

  @Override
  public void scatter(Tensor y, Tensor rowOf, Tensor weights, boolean accumulate, Tensor out) {
    requireMoves("scatter", out, rowOf, y);
    weights.require("scatter: weights", out.rows(), rowOf.columns());
    for (int t = 0; t < out.rows(); t++) {
      for (int c = 0; c < out.columns(); c++) {
        double sum = 0;
        for (int j = 0; j < rowOf.columns(); j++) {
          int row = Ints.of(rowOf).get(t, j);
          sum += row < 0 ? 0 : Doubles.of(weights).get(t, j) * Doubles.of(y).get(row, c);
        }
        Doubles.of(out).put(t, c, sum, accumulate);
      }
    }
  }

  @Override
  public void scatterBackward(
      Tensor dout, Tensor y, Tensor rowOf, Tensor weights, Tensor dy, Tensor dweights) {
    requireMoves("scatterBackward", dout, rowOf, y);
    weights.require("scatterBackward: weights", dout.rows(), rowOf.columns());
    dy.require("scatterBackward: dy", y.rows(), y.columns());
    dweights.require("scatterBackward: dweights", dout.rows(), rowOf.columns());
    for (int a = 0; a < rowOf.size(); a++) {
      int row = Ints.of(rowOf).get(a);
      double dot = 0;
      for (int c = 0; row >= 0 && c < dout.columns(); c++) {
        double gradient = Doubles.of(dout).get(a / rowOf.columns(), c);
        dot += Doubles.of(y).get(row, c) * gradient;
        Doubles.of(dy).set(row, c, Doubles.of(weights).get(a) * gradient);
      }
      Doubles.of(dweights).set(a, dot);
    }
  }

  private static void requireMoves(String op, Tensor tokens, Tensor rowOf, Tensor rows) {
    rowOf.require(op + ": rowOf", tokens.rows(), rowOf.columns());
    rows.require(op + ": rows", (int) rowOf.size(), tokens.columns());
  }
}
