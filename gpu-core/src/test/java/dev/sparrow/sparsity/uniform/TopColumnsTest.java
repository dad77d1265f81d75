package dev.sparrow.sparsity.uniform;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TopColumnsTest {
  private final TopColumns top = new TopColumns();

  /** Of every count, where many scores are equal, negative or zero of either sign. */
  @ParameterizedTest
  @ValueSource(ints = {37, 1023, 1024, 1501})
  void theSameAsSortingByScoreThenColumn(int columns) {
    for (long seed = 1; seed <= 20; seed++) {
      float[] scores = scores(new Random(seed), columns);
      for (int count = 0; count <= columns; count += columns / 37) {
        int[] chosen = new int[count];
        top.choose(scores, 0, scores.length, count, 0, chosen, 0);
        assertArrayEquals(sorted(scores, count), chosen, "seed " + seed + ", count " + count);
      }
    }
  }

  private static float[] scores(Random random, int size) {
    float[] scores = new float[size];
    for (int i = 0; i < size; i++) {
      float sign = random.nextBoolean() ? 1 : -1;
      scores[i] = random.nextBoolean() ? sign * random.nextInt(3) : random.nextFloat() * 1e-30f;
    }
    scores[5] = Float.POSITIVE_INFINITY;
    scores[9] = Float.MIN_VALUE;
    return scores;
  }

  private static int[] sorted(float[] scores, int count) {
    return IntStream.range(0, scores.length)
        .boxed()
        .sorted(Comparator.comparing((Integer i) -> -(scores[i] + 0f)))
        .limit(count)
        .mapToInt(i -> i)
        .sorted()
        .toArray();
  }

  @Test
  void aBankIsLookedAtAlone() {
    int[] out = {-1, -1, -1, -1};
    top.choose(new float[] {9, 9, 1, 3, 2, 9}, 2, 3, 2, 70, out, 1);
    assertArrayEquals(new int[] {-1, 71, 72, -1}, out);
  }

  @Test
  void theLeastOfTheLargestIsTold() {
    float[] scores = {3, -1, 2, 2, -4};
    float[] falling = {3, 2, 2, -1, -4};
    for (int count = 1; count <= 5; count++) {
      assertEquals(falling[count - 1], top.least(scores, count));
    }
  }
}
