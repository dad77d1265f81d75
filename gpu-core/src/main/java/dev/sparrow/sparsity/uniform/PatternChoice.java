package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.UniformPattern;
import java.util.Arrays;

/**
 * Chooses the columns of every group by scores: the largest of a group, or of each of its banks.
 * For the doubly uniform format a price on each column of a matrix is raised where too many of its
 * rows want it (the dual of the assignment with equal column counts).
 */
final class PatternChoice {
  /** Rounds of the prices' ascent; column counts are then within a few of even. */
  private static final int PRICE_ROUNDS = 60;

  private final PatternFormat format;

  PatternChoice(PatternFormat format) {
    this.format = format;
  }

  /**
   * @param weights (rows, columns); their magnitudes count, of a group the root of the sum of
   *     squares
   * @throws IllegalStateException naming layer and element where a weight is not finite
   */
  UniformPattern byMagnitude(float[] weights, int fanIn) {
    return choose(scores(weights), fanIn);
  }

  /**
   * @param scores (groups, columns), not negative
   */
  UniformPattern choose(float[] scores, int fanIn) {
    int[] indices = new int[format.groups() * fanIn];
    float[] priced = format.doubly() ? priced(scores, fanIn) : scores;
    TopColumns top = new TopColumns();
    int perBank = fanIn / format.banks();
    for (int g = 0; g < format.groups(); g++) {
      for (int bank = 0; bank < format.banks(); bank++) {
        int first = bank * format.bankColumns();
        int from = g * format.columns() + first;
        int to = g * fanIn + bank * perBank;
        top.choose(priced, from, format.bankColumns(), perBank, first, indices, to);
      }
    }
    return format.pattern(fanIn, UniformPattern.allGroups(format.groups()), indices);
  }

  /** (groups, columns) from (rows, columns). */
  float[] scores(float[] weights) {
    float[] scores = new float[format.groups() * format.columns()];
    for (int row = 0; row < format.rows(); row++) {
      int to = row / format.groupRows() * format.columns();
      for (int c = 0; c < format.columns(); c++) {
        float w = weights[row * format.columns() + c];
        requireFinite(w, row, c);
        scores[to + c] += w * w;
      }
    }
    return roots(scores);
  }

  /** (liveGroups, fanIn) from the values of a pattern, (liveRows, fanIn). */
  float[] magnitudes(UniformPattern pattern, float[] values) {
    float[] magnitudes = new float[pattern.indices().length];
    for (int live = 0, at = 0; live < pattern.liveRows(); live++) {
      for (int i = 0; i < pattern.fanIn(); i++, at++) {
        int inGroup = pattern.start(live) + i;
        requireFinite(values[at], pattern.row(live), pattern.indices()[inGroup]);
        magnitudes[inGroup] += values[at] * values[at];
      }
    }
    return roots(magnitudes);
  }

  private static float[] roots(float[] squares) {
    for (int i = 0; i < squares.length; i++) {
      squares[i] = (float) Math.sqrt(squares[i]);
    }
    return squares;
  }

  private void requireFinite(float weight, int row, int column) {
    if (!Float.isFinite(weight)) {
      throw new IllegalStateException(
          "%s: expected finite weights and gradients to choose a pattern by, got %s in row %d, column %d; lower optimizer.learning-rate or set optimizer.clip-norm"
              .formatted(format.layer(), weight, row, column));
    }
  }

  /** Scores less the prices of their matrix's columns, lifted above zero. */
  private float[] priced(float[] scores, int fanIn) {
    int matrix = format.matrixGroups() * format.columns();
    float[] priced = new float[scores.length];
    for (int from = 0; from < scores.length; from += matrix) {
      float[] own = pricedMatrix(Arrays.copyOfRange(scores, from, from + matrix), fanIn);
      System.arraycopy(own, 0, priced, from, matrix);
    }
    return priced;
  }

  private float[] pricedMatrix(float[] scores, int fanIn) {
    int columns = format.columns();
    double[] prices = new double[columns];
    double mean = mean(scores);
    double even = (double) format.matrixGroups() * fanIn / columns;
    float[] priced = scores.clone();
    for (int round = 0; round < PRICE_ROUNDS; round++) {
      int[] counts = counts(priced, fanIn);
      double step = mean / (2 + round);
      double least = Double.MAX_VALUE;
      for (int c = 0; c < columns; c++) {
        prices[c] += step * (counts[c] - even) / even;
        least = Math.min(least, -prices[c]);
      }
      for (int i = 0; i < priced.length; i++) {
        priced[i] = (float) (scores[i] - prices[i % columns] - Math.min(0, least));
      }
    }
    return priced;
  }

  private static double mean(float[] scores) {
    double sum = 0;
    for (float score : scores) {
      sum += score;
    }
    return sum / scores.length;
  }

  private int[] counts(float[] priced, int fanIn) {
    int[] counts = new int[format.columns()];
    int[] chosen = new int[fanIn];
    TopColumns top = new TopColumns();
    for (int g = 0; g < format.matrixGroups(); g++) {
      top.choose(priced, g * format.columns(), format.columns(), fanIn, 0, chosen, 0);
      for (int column : chosen) {
        counts[column]++;
      }
    }
    return counts;
  }
}
