package dev.sparrow.sparsity.uniform;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparrow.backend.HostLoop;
import dev.sparrow.backend.cpu.CpuBackend;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class PriceBandTest {
  private static final float[] NONE = new float[4];

  private static PatternFormat format(int rows, int columns) {
    return new PatternFormat("layer", rows, columns, 1, columns, true);
  }

  /** Scores that change behind the band's back show what it looks at. */
  @Test
  void withinTheirReachListsAloneAreLookedAt() {
    float[] scores = {10, 5, 4.5f, 0};
    PriceBand band = new PriceBand(format(1, 4), HostLoop.INLINE, scores, 0, 2);
    assertArrayEquals(new int[] {1, 1, 0, 0}, band.counts(NONE, 1));
    scores[3] = 100;
    assertArrayEquals(new int[] {1, 0, 1, 0}, band.counts(new float[] {0, 0.75f, 0, 0}, 1));
    assertArrayEquals(new int[] {1, 0, 1, 0}, band.counts(new float[] {7, 7.75f, 7, 7}, 1));
    assertArrayEquals(new int[] {1, 0, 0, 1}, band.counts(new float[] {0, 0.75f, 0, -0.5f}, 1));
  }

  @Test
  void withoutAReachAllIsLookedAt() {
    float[] scores = {10, 5, 4.5f, 0};
    PriceBand band = new PriceBand(format(1, 4), HostLoop.INLINE, scores, 0, 2);
    band.counts(NONE, 0);
    scores[3] = 100;
    assertArrayEquals(new int[] {1, 0, 0, 1}, band.counts(NONE, 0));
  }

  /** Rows of two tasks; prices that mostly stay within reach, and move far now and then. */
  @Test
  void countsAreThoseOfLookingAtAll() {
    int rows = 70_000;
    int columns = 16;
    Random random = new Random(5);
    float[] scores = new float[rows * columns];
    for (int i = 0; i < scores.length; i++) {
      scores[i] = Math.round(random.nextFloat() * 64) / 64f; // many are equal
    }
    float[] prices = new float[columns];
    try (CpuBackend backend = new CpuBackend(2)) {
      HostLoop loop = backend.hostLoop();
      PriceBand band = new PriceBand(format(rows, columns), loop, scores, 0, 5);
      for (int round = 0; round < 12; round++) {
        int[] expected =
            new PriceBand(format(rows, columns), HostLoop.INLINE, scores, 0, 5).counts(prices, 0);
        assertArrayEquals(expected, band.counts(prices, 0.25), "round " + round);
        double most = round % 5 == 4 ? 0.4 : 0.05;
        for (int c = 0; c < columns; c++) {
          prices[c] += (float) (random.nextGaussian() * most);
        }
      }
      assertEquals(5 * rows, Arrays.stream(band.counts(prices, 0)).sum());
    }
  }
}
