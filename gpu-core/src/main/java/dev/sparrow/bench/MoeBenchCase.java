package dev.sparrow.bench;

import dev.sparrow.config.Moe;
import java.util.Random;

/**
 * One mixture-of-experts feed-forward to measure.
 *
 * @param name the case within the suite
 * @param load how tokens choose
 */
record MoeBenchCase(String name, int experts, int topK, Load load, Moe.Dispatch dispatch) {
  static final int TOKENS = 4096;
  static final int WIDTH = 256;
  static final int HIDDEN = 1024;

  /** How the experts share the tokens. */
  enum Load {
    /** All experts are equally likely. */
    UNIFORM,
    /** Expert i has the probability 1/(i + 1), normalised. */
    ZIPF,
    /** Expert 0 takes every token; top-1 only. */
    ONE
  }

  /**
   * Inputs whose choices are planted: the first E columns hold the logits, which a router of unit
   * vectors reads. The rest is noise. So the router computes what it always computes.
   */
  float[] inputs(long seed) {
    Random random = new Random(seed);
    float[] x = new float[TOKENS * WIDTH];
    for (int t = 0; t < TOKENS; t++) {
      for (int i = experts; i < WIDTH; i++) {
        x[t * WIDTH + i] = (float) random.nextGaussian();
      }
      boolean[] taken = new boolean[experts];
      for (int j = 0; j < topK; j++) {
        int expert = draw(random, taken);
        taken[expert] = true;
        x[t * WIDTH + expert] = 2 + topK - j;
      }
    }
    return x;
  }

  private int draw(Random random, boolean[] taken) {
    double all = 0;
    for (int e = 0; e < experts; e++) {
      all += taken[e] ? 0 : weight(e);
    }
    double left = random.nextDouble() * all;
    int last = 0;
    for (int e = 0; e < experts; e++) {
      if (!taken[e] && weight(e) > 0) {
        last = e;
        left -= weight(e);
        if (left < 0) {
          return e;
        }
      }
    }
    return last;
  }

  private double weight(int expert) {
    return switch (load) {
      case UNIFORM -> 1;
      case ZIPF -> 1.0 / (expert + 1);
      case ONE -> expert == 0 ? 1 : 0;
    };
  }

  /** Rows of unit vectors, (E, width). */
  float[] routerWeights() {
    float[] weights = new float[experts * WIDTH];
    for (int e = 0; e < experts; e++) {
      weights[e * WIDTH + e] = 1;
    }
    return weights;
  }
}
