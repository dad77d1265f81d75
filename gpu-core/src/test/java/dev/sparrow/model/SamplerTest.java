package dev.sparrow.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.config.Generate;
import org.junit.jupiter.api.Test;

class SamplerTest {
  private static final int DRAWS = 20_000;

  /** log of 0.1, 0.4, 0.3, 0.2 */
  private static final float[] LOGITS = logits(0.1, 0.4, 0.3, 0.2);

  @Test
  void temperatureZeroTakesTheLikeliestAndOfEqualsTheFirst() {
    assertEquals(1, sampler(0, 0, 1).next(LOGITS));
    assertEquals(1, sampler(0, 0, 1).next(new float[] {-1, 2, 2}));
  }

  @Test
  void drawsFollowTheSoftmax() {
    assertShares(sampler(1, 0, 1), 0.1, 0.4, 0.3, 0.2);
  }

  /** At temperature 1/2 probabilities are squared and divided by their sum, 0.3. */
  @Test
  void temperatureSharpens() {
    assertShares(sampler(0.5, 0, 1), 0.01 / 0.3, 0.16 / 0.3, 0.09 / 0.3, 0.04 / 0.3);
  }

  @Test
  void topKKeepsTheKLikeliest() {
    assertShares(sampler(1, 2, 1), 0, 4 / 7.0, 3 / 7.0, 0);
  }

  /** 0.4 and 0.3 hold 0.7, which is not yet 0.75. */
  @Test
  void topPKeepsTheFewestThatHoldTheShare() {
    assertShares(sampler(1, 0, 0.75), 0, 4 / 9.0, 3 / 9.0, 2 / 9.0);
    assertShares(sampler(1, 0, 0.01), 0, 1, 0, 0);
  }

  /** top-k first: of 0.4 and 0.3 the first alone holds 0.5 of what is left. */
  @Test
  void topPCountsWhatTopKLeft() {
    assertShares(sampler(1, 2, 0.5), 0, 1, 0, 0);
  }

  @Test
  void sameSeedDrawsTheSame() {
    int[] first = draws(sampler(1, 0, 1));
    assertArrayEquals(first, draws(sampler(1, 0, 1)));
  }

  @Test
  void settingsOutOfRangeAreNamed() {
    assertRefused("generate.temperature", -1, 0, 1);
    assertRefused("generate.top-k", 1, -1, 1);
    assertRefused("generate.top-p", 1, 0, 0);
  }

  @Test
  void notANumberIsRefused() {
    Sampler sampler = sampler(1, 0, 1);
    assertThrows(ArithmeticException.class, () -> sampler.next(new float[] {0, Float.NaN}));
  }

  /** Five standard deviations of a share of 20000 draws are at most 0.018. */
  private static void assertShares(Sampler sampler, double... expected) {
    double[] shares = new double[expected.length];
    for (int id : draws(sampler)) {
      shares[id] += 1.0 / DRAWS;
    }
    assertArrayEquals(expected, shares, 0.018);
    for (int i = 0; i < expected.length; i++) {
      assertTrue(expected[i] > 0 || shares[i] == 0, "token " + i + " was cut off");
    }
  }

  private static int[] draws(Sampler sampler) {
    int[] ids = new int[DRAWS];
    for (int i = 0; i < DRAWS; i++) {
      ids[i] = sampler.next(LOGITS);
    }
    return ids;
  }

  private static void assertRefused(String key, double temperature, int topK, double topP) {
    String message =
        assertThrows(IllegalArgumentException.class, () -> sampler(temperature, topK, topP))
            .getMessage();
    assertTrue(message.startsWith(key), message);
  }

  private static Sampler sampler(double temperature, int topK, double topP) {
    return new Sampler(new Generate("", 1, temperature, topK, topP, 3));
  }

  private static float[] logits(double... probabilities) {
    float[] logits = new float[probabilities.length];
    for (int i = 0; i < logits.length; i++) {
      logits[i] = (float) Math.log(probabilities[i]);
    }
    return logits;
  }
}
