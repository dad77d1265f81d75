package dev.sparrow.sparsity.uniform;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.sparrow.backend.HostLoop;
import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Against the ascent as it is written down, by sorting each row in each round. */
class ColumnPricesTest {
  @ParameterizedTest
  @CsvSource({"1, 1, 1, 1", "1, 40, 30, 6", "3, 25, 64, 32", "2, 200, 10, 1", "1, 64, 150, 149"})
  void pricesAreThoseOfTheWholeAscent(int matrices, int rows, int columns, int fanIn) {
    int groups = matrices * rows;
    PatternFormat format = new PatternFormat("layer", matrices, groups, columns, 1, columns, true);
    float[] scores = scores(groups, columns);
    ColumnPrices prices = new ColumnPrices(format, HostLoop.INLINE, scores, fanIn);
    for (int matrix = 0; matrix < matrices; matrix++) {
      float[] expected = ascent(scores, matrix * rows, rows, columns, fanIn);
      for (int group = matrix * rows; group < (matrix + 1) * rows; group++) {
        float[] net = new float[columns];
        prices.taken(group, net);
        assertArrayEquals(net(scores, group, expected), net, "group " + group);
      }
    }
  }

  /** Later columns are larger, so that prices have something to do. */
  private static float[] scores(int groups, int columns) {
    Random random = new Random(3);
    float[] scores = new float[groups * columns];
    for (int i = 0; i < scores.length; i++) {
      scores[i] = (float) Math.abs(random.nextGaussian()) * (1 + 2f * (i % columns) / columns);
    }
    return scores;
  }

  private static float[] ascent(float[] scores, int firstGroup, int rows, int columns, int fanIn) {
    double sum = 0;
    for (int i = firstGroup * columns; i < (firstGroup + rows) * columns; i++) {
      sum += scores[i];
    }
    double mean = sum / (rows * columns);
    double even = (double) rows * fanIn / columns;
    double[] exact = new double[columns];
    float[] prices = new float[columns];
    for (int round = 0; round < ColumnPrices.ROUNDS; round++) {
      int[] counts = new int[columns];
      for (int group = firstGroup; group < firstGroup + rows; group++) {
        float[] net = net(scores, group, prices);
        IntStream.range(0, columns)
            .boxed()
            .sorted(Comparator.comparing((Integer c) -> -net[c]))
            .limit(fanIn)
            .forEach(c -> counts[c]++);
      }
      for (int c = 0; c < columns; c++) {
        exact[c] += mean / (2 + round) * (counts[c] - even) / even;
        prices[c] = (float) exact[c];
      }
    }
    return prices;
  }

  private static float[] net(float[] scores, int group, float[] prices) {
    float[] net = new float[prices.length];
    for (int c = 0; c < net.length; c++) {
      net[c] = scores[group * net.length + c] - prices[c];
    }
    return net;
  }
}
