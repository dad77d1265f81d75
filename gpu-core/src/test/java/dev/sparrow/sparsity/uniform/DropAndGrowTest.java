package dev.sparrow.sparsity.uniform;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparrow.backend.HostLoop;
import dev.sparrow.backend.UniformPattern;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class DropAndGrowTest {
  private static final PatternFormat TWO_ROWS = new PatternFormat("layer", 2, 5, 1, 5, false);

  @Test
  void theSmallestOfTheLayerGoAndTheBestScoresCome() {
    UniformPattern pattern = TWO_ROWS.pattern(2, new int[] {0, 1}, new int[] {0, 1, 2, 3});
    float[] magnitudes = {5, 1, 4, 3};
    float[] scores = {9, 0, 1, 3, 2, 1, 2, 9, 0, 3};
    UniformPattern next = new DropAndGrow(TWO_ROWS, pattern, magnitudes, scores, 4).next(0.25, 0);
    assertArrayEquals(new int[] {0, 3, 2, 3}, next.indices());
    UniformPattern half = new DropAndGrow(TWO_ROWS, pattern, magnitudes, scores, 4).next(0.5, 0);
    assertArrayEquals(new int[] {0, 3, 2, 4}, half.indices());
    assertEquals(pattern, new DropAndGrow(TWO_ROWS, pattern, magnitudes, scores, 4).next(0, 0));
  }

  /** Growth is among all columns that are not kept (Evci et al. 2020, alg. 1). */
  @Test
  void aDroppedColumnOfTheBestScoreGrowsBack() {
    UniformPattern pattern = TWO_ROWS.pattern(2, new int[] {0, 1}, new int[] {0, 1, 2, 3});
    float[] magnitudes = {5, 1, 4, 3};
    float[] scores = {9, 9, 1, 3, 2, 1, 2, 9, 0, 3};
    UniformPattern next = new DropAndGrow(TWO_ROWS, pattern, magnitudes, scores, 4).next(0.5, 0);
    assertArrayEquals(new int[] {0, 1, 2, 4}, next.indices());
  }

  /** Row 1 keeps nothing salient: its two columns go to row 0. */
  @Test
  void aRowWithoutSalientWeightsIsSwitchedOff() {
    UniformPattern pattern = TWO_ROWS.pattern(2, new int[] {0, 1}, new int[] {0, 1, 2, 3});
    float[] magnitudes = {5, 4, 0.5f, 0.25f};
    float[] scores = {0, 0, 7, 8, 9, 1, 1, 0, 0, 1};
    UniformPattern next = new DropAndGrow(TWO_ROWS, pattern, magnitudes, scores, 4).next(0.5, 0.3);
    assertArrayEquals(new int[] {0}, next.liveGroupNumbers());
    assertArrayEquals(new int[] {0, 1, 3, 4}, next.indices());
  }

  /** Two rows of five columns hold seven: neither goes, though one keeps nothing salient. */
  @Test
  void asManyRowsStayAsHoldTheBudget() {
    UniformPattern pattern = TWO_ROWS.pattern(3, new int[] {0, 1}, new int[] {0, 1, 2, 2, 3, 4});
    float[] magnitudes = {9, 8, 7, 0.1f, 0.2f, 0.3f};
    float[] scores = {0, 0, 0, 9, 8, 0, 0, 0, 0, 0};
    UniformPattern next = new DropAndGrow(TWO_ROWS, pattern, magnitudes, scores, 7).next(0.5, 0.9);
    assertArrayEquals(new int[] {0, 1}, next.liveGroupNumbers());
    UniformPattern fits = new DropAndGrow(TWO_ROWS, pattern, magnitudes, scores, 5).next(0.5, 0.9);
    assertArrayEquals(new int[] {0}, fits.liveGroupNumbers());
    assertEquals(5, fits.fanIn());
  }

  @Test
  void aRowThatHoldsMoreThanTheNewFanInIsTrimmedByMagnitude() {
    UniformPattern pattern = TWO_ROWS.pattern(3, new int[] {0, 1}, new int[] {0, 1, 2, 0, 1, 2});
    float[] magnitudes = {1e-6f, 3e-6f, 2e-6f, 9, 8, 7};
    UniformPattern next =
        new DropAndGrow(TWO_ROWS, pattern, magnitudes, new float[10], 4).next(0, 0);
    assertArrayEquals(new int[] {1, 2, 0, 1}, next.indices());
  }

  @Test
  void banksAndGroupsKeepTheirCounts() {
    PatternFormat format = new PatternFormat("layer", 24, 64, 4, 16, false);
    Random random = new Random(3);
    float[] scores = new float[6 * 64];
    for (int i = 0; i < scores.length; i++) {
      scores[i] = random.nextFloat();
    }
    UniformPattern pattern = new PatternChoice(format, HostLoop.INLINE).choose(scores, 12);
    float[] magnitudes = new float[6 * 12];
    for (int i = 0; i < magnitudes.length; i++) {
      magnitudes[i] = random.nextFloat();
    }
    for (int i = 0; i < scores.length; i++) {
      scores[i] = 1 - scores[i]; // what is held is the last to grow
    }
    UniformPattern next = new DropAndGrow(format, pattern, magnitudes, scores, 72).next(0.3, 0);
    assertEquals(12, next.fanIn());
    int stayed = 0;
    for (int g = 0; g < 6; g++) {
      Set<Integer> held = new HashSet<>();
      Arrays.stream(pattern.indices(), g * 12, g * 12 + 12).forEach(held::add);
      stayed +=
          (int) Arrays.stream(next.indices(), g * 12, g * 12 + 12).filter(held::contains).count();
    }
    // Of 72, 22 are dropped.
    assertEquals(50, stayed);
  }
}
