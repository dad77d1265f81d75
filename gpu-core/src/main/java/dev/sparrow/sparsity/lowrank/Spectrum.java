package dev.sparrow.sparsity.lowrank;

import java.util.Arrays;

/**
 * The singular values of a matrix (out, in), and what they tell of its rank.
 *
 * @param values descending, of the lesser side's number
 * @param deviation of the independent elements that the matrix started with
 */
record Spectrum(double[] values, int out, int in, double deviation) {
  /** Factors near zero soon grow: what matched them at first would be too much then. */
  private static final double MOST_RATE = 4;

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

  /** The stable rank of a matrix of independent elements. */
  static double initialStableRank(int out, int in) {
    return Math.min(out, in) / initialScale(out, in);
  }

  /** ξ·ρ, which full rank was at the start; Cuttlefish's rank before it is rounded. */
  double scaledStableRank() {
    return initialScale(out, in) * stableRank();
  }

  /**
   * By what factor the two factors of a matrix's best approximation of this rank learn as fast as
   * the matrix itself where an update's elements are of one size and of any sign, as AdamW's are.
   * With {@code U = Q·√Σ} (out, rank) and {@code V = √Σ·Pᵀ} (rank, in), elements of {@code ∂U·V +
   * U·∂V} are √(Σσ·(1/in + 1/out)) of those of ∂U and ∂V in the mean of squares.
   */
  double learningRateFactor(int rank) {
    double sum = Arrays.stream(values, 0, rank).sum() * (1.0 / in + 1.0 / out);
    return sum == 0 ? MOST_RATE : Math.min(MOST_RATE, 1 / Math.sqrt(sum));
  }

  /** The fewest leading singular values whose sum is this share of that of all. */
  int accumulativeRank(double share) {
    return fewest(values, share);
  }

  /** The fewest leading singular values whose squares' sum is this share of ‖W‖F². */
  int energyRank(double share) {
    return fewest(Arrays.stream(values).map(s -> s * s).toArray(), share);
  }

  private static int fewest(double[] descending, double share) {
    double wanted = share * Arrays.stream(descending).sum();
    double sum = 0;
    int count = 0;
    while (count < descending.length && sum < wanted) {
      sum += descending[count++];
    }
    return count;
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
