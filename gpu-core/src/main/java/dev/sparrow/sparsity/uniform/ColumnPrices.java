package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.HostLoop;

/**
 * A price on each column of each matrix, raised where too many of its rows want the column and
 * lowered where too few do: the dual ascent of the assignment of columns to rows with equal column
 * counts. Counts are integers and prices follow from them in one order: they are the same whatever
 * the number of threads.
 *
 * <p>Most columns of a row are far from its choice's edge, and prices move less and less. So what a
 * row may still change its mind about is listed once, see {@link PriceBand}, and looked at alone
 * until prices have moved as far as the list reaches.
 */
final class ColumnPrices {
  /** Of the ascent; column counts are then within a few of even. */
  static final int ROUNDS = 60;

  /** Last moves of prices that a band reaches. */
  private static final double MOVES = 4;

  /** Of the mean score: past it a band would hold most columns. */
  private static final double FARTHEST = 0.5;

  private final PatternFormat format;
  private final HostLoop loop;
  private final float[] scores; // (groups, columns)
  private final int fanIn;
  private final float[] prices; // (matrices, columns)

  /**
   * @param scores (groups, columns), not negative; not to be changed
   */
  ColumnPrices(PatternFormat format, HostLoop loop, float[] scores, int fanIn) {
    this.format = format;
    this.loop = loop;
    this.scores = scores;
    this.fanIn = fanIn;
    this.prices = new float[format.matrices() * format.columns()];
    for (int matrix = 0; matrix < format.matrices(); matrix++) {
      float[] own = ascend(matrix * format.matrixGroups());
      System.arraycopy(own, 0, prices, matrix * format.columns(), own.length);
    }
  }

  /** A group's scores less its matrix's prices, (columns). */
  void taken(int group, float[] net) {
    int columns = format.columns();
    int price = group / format.matrixGroups() * columns;
    for (int c = 0; c < columns; c++) {
      net[c] = scores[group * columns + c] - prices[price + c];
    }
  }

  private float[] ascend(int firstGroup) {
    int columns = format.columns();
    double even = (double) format.matrixGroups() * fanIn / columns;
    double mean = mean(firstGroup);
    double[] exact = new double[columns];
    double[] moves = new double[columns];
    float[] rounded = new float[columns];
    PriceBand band = new PriceBand(format, loop, scores, firstGroup, fanIn);
    double reach = 0;
    for (int round = 0; round < ROUNDS; round++) {
      int[] counts = band.counts(rounded, reach);
      double step = mean / (2 + round);
      for (int c = 0; c < columns; c++) {
        moves[c] = step * (counts[c] - even) / even;
        exact[c] += moves[c];
        rounded[c] = (float) exact[c];
      }
      double wanted = MOVES * spread(moves);
      reach = wanted <= FARTHEST * mean ? wanted : 0;
    }
    return rounded;
  }

  private double mean(int firstGroup) {
    int from = firstGroup * format.columns();
    int size = format.matrixGroups() * format.columns();
    double sum = 0;
    for (int i = from; i < from + size; i++) {
      sum += scores[i];
    }
    return sum / size;
  }

  private static double spread(double[] values) {
    double least = Double.POSITIVE_INFINITY;
    double most = Double.NEGATIVE_INFINITY;
    for (double value : values) {
      least = Math.min(least, value);
      most = Math.max(most, value);
    }
    return most - least;
  }
}
