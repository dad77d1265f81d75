package dev.sparrow.model;

import dev.sparrow.backend.Philox;
import dev.sparrow.backend.RandomKey;
import dev.sparrow.config.Generate;
import java.util.Arrays;

/**
 * Chooses the next token from logits: the likeliest, or a draw from {@code softmax(logits /
 * temperature)} cut to the k likeliest tokens (Fan et al. 2018) and then to the fewest likeliest
 * that hold a share p of the probability (Holtzman et al. 2020). Draw n is a function of the seed
 * and n alone.
 */
public final class Sampler {
  private static final long STREAM = RandomKey.streamOf("generate");

  private final double temperature;
  private final int topK;
  private final double topP;
  private final RandomKey key;
  private long draws;

  /** Temperature, top-k, top-p and seed of the settings; prompt and length are not read. */
  public Sampler(Generate settings) {
    if (!(settings.temperature() >= 0) || Double.isInfinite(settings.temperature())) {
      throw new IllegalArgumentException(
          "generate.temperature: expected a finite number >= 0, got " + settings.temperature());
    }
    if (settings.topK() < 0) {
      throw new IllegalArgumentException(
          "generate.top-k: expected >= 0 (0: all tokens), got " + settings.topK());
    }
    if (!(settings.topP() > 0 && settings.topP() <= 1)) {
      throw new IllegalArgumentException(
          "generate.top-p: expected a share in (0, 1], got " + settings.topP());
    }
    this.temperature = settings.temperature();
    this.topK = settings.topK();
    this.topP = settings.topP();
    this.key = new RandomKey(settings.seed(), STREAM);
  }

  /** The next token of a vocabulary of {@code logits.length}; of equal logits the lower id. */
  public int next(float[] logits) {
    requireNumbers(logits);
    if (temperature == 0) {
      return likeliest(logits);
    }
    long[] ranked = ranked(logits);
    int kept = topK == 0 ? ranked.length : Math.min(topK, ranked.length);
    double[] weights = new double[kept];
    double largest = logits[id(ranked[0])];
    double total = 0;
    for (int i = 0; i < kept; i++) {
      weights[i] = Math.exp((logits[id(ranked[i])] - largest) / temperature);
      total += weights[i];
    }
    return id(ranked[draw(weights, total)]);
  }

  private static void requireNumbers(float[] logits) {
    for (int i = 0; i < logits.length; i++) {
      if (Float.isNaN(logits[i])) {
        throw new ArithmeticException(
            "logits: expected numbers, got NaN for token " + i + "; the model has diverged");
      }
    }
  }

  private static int likeliest(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      if (logits[i] > logits[best]) {
        best = i;
      }
    }
    return best;
  }

  /** Ids by falling logit, then rising id, each in the low half of a sorted number. */
  private static long[] ranked(float[] logits) {
    long[] order = new long[logits.length];
    for (int i = 0; i < order.length; i++) {
      int bits = Float.floatToIntBits(logits[i] + 0.0f); // -0 becomes 0: they are equal
      int rising = bits ^ (bits >> 31 & Integer.MAX_VALUE);
      order[i] = (long) ~rising << 32 | i;
    }
    Arrays.sort(order);
    return order;
  }

  private static int id(long ranked) {
    return (int) ranked;
  }

  /** Index of the drawn weight among the fewest first ones that hold topP of the total. */
  private int draw(double[] weights, double total) {
    int kept = 0;
    double held = 0;
    while (kept < weights.length && (kept == 0 || held < topP * total)) {
      held += weights[kept++];
    }
    double left = Philox.uniform(key, draws++) * held;
    int chosen = 0;
    while (chosen < kept - 1 && left >= weights[chosen]) {
      left -= weights[chosen++];
    }
    return chosen;
  }
}
