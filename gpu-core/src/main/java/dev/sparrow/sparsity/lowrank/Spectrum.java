package dev.sparrow.sparsity.lowrank;

import java.util.Arrays;

/**
 * The singular values of a matrix (out, in), and what they tell of its rank.
 *
 * @param values descending, of the lesser side's number
 * @param deviation of the independent elements that the matrix started with
 */
record Spectrum(double[] values, int out, int in, double deviation) {
  /** {@code ‖W‖F²/σ₁²}: a rank that small singular values hardly move. 0 of a zero matrix. */
  double stableRank() {
    double largest = values[0];
    return largest == 0 ? 0 : Arrays.stream(values).map(s -> s * s).sum() / (largest * largest);
  }

  /**
   * Full rank over stable rank of a matrix of independent elements, whose singular values fill
   * {@code σ·(√n ± √m)} (Marchenko and Pastur 1967): {@code ξ = (1 + √(m/n))²} for sides m <= n.
   */
  static double initialScale(int out, int in) {
    double root = 1 + Math.sqrt((double) Math.min(out, in) / Math.max(out, in));
    return root * root;
  }

  /** ξ·ρ, which full rank was at the start; Cuttlefish's rank before it is rounded. */
  double scaledStableRank() {
    return initialScale(out, in) * stableRank();
  }

  /** The fewest leading singular values whose sum is this share of that of all. */
  int accumulativeRank(double share) {
    double wanted = share * Arrays.stream(values).sum();
    double sum = 0;
    int rank = 0;
    while (rank < values.length && sum < wanted) {
      sum += values[rank++];
    }
    return rank;
  }

  /**
   * The largest singular value that noise alone would have: by the elements that the matrix started
   * with, or where training has since shrunk them, by the median, which lies amid the noise of a
   * matrix whose signal has less than half its rank (Gavish and Donoho 2014).
   */
  double noiseEdge() {
    double initial = deviation * (Math.sqrt(out) + Math.sqrt(in));
    return Math.min(initial, medianEdge());
  }

  /** Median over {@code √μ_β} is {@code σ·√n}; Gavish and Donoho's §III.D and §VI give √μ_β. */
  private double medianEdge() {
    double beta = (double) Math.min(out, in) / Math.max(out, in);
    double b = beta + 1;
    double threshold = Math.sqrt(2 * b + 8 * beta / (b + Math.sqrt(beta * beta + 14 * beta + 1)));
    double perMedian = 0.56 * beta * beta * beta - 0.95 * beta * beta + 1.82 * beta + 1.43;
    double median = values[values.length / 2];
    return median * perMedian / threshold * (1 + Math.sqrt(beta));
  }

  /** What stands out of the noise: {@code √(σ² - edge²)} of those above the edge, else 0. */
  Spectrum withoutNoise() {
    double edge = noiseEdge();
    double[] signal =
        Arrays.stream(values).map(s -> Math.sqrt(Math.max(0, s * s - edge * edge))).toArray();
    return new Spectrum(signal, out, in, 0);
  }
}
