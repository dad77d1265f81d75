package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.RandomValues;

/**
 * Sizes and values of one mixture-of-experts feed-forward, the same for every form and backend.
 * Weights of a plain expert have no gate.
 */
record MoeCase(
    RouterSpec spec,
    int tokens,
    int hidden,
    boolean gated,
    float[] x, // (T, width)
    float[] dout, // (T, width)
    float[] router, // (E, width)
    float[] gate, // (E, hidden, width)
    float[] up, // (E, hidden, width)
    float[] down) { // (E, width, hidden)

  /** Both losses on, normalised weights. */
  static RouterSpec spec(int width, int experts, int topK) {
    return spec(width, experts, topK, 1, 0.1, 0.05);
  }

  static RouterSpec spec(
      int width, int experts, int topK, double normalization, double balancing, double zLoss) {
    return new RouterSpec(
        "block", width, experts, topK, 0.5, 0, normalization, balancing, zLoss, 0, 2);
  }

  static MoeCase random(RouterSpec spec, int tokens, int hidden, boolean gated, long seed) {
    RandomValues random = new RandomValues(seed);
    int width = spec.width();
    int matrix = spec.experts() * hidden * width;
    return new MoeCase(
        spec,
        tokens,
        hidden,
        gated,
        random.normal(tokens * width),
        scaled(random.normal(tokens * width), 1.0 / tokens),
        random.normal(spec.experts() * width),
        gated ? scaled(random.normal(matrix), Math.sqrt(1.0 / width)) : new float[0],
        scaled(random.normal(matrix), Math.sqrt(1.0 / width)),
        scaled(random.normal(matrix), Math.sqrt(1.0 / hidden)));
  }

  /**
   * The same with routing planted: token t's choices become {@code choices[t·k + j]}, the first
   * with the largest logit. Needs width >= experts: expert e's router row is unit vector e, and the
   * token's first columns hold the logits, 3 apart from the 0 of all others and 1 from one another.
   */
  MoeCase routed(int... choices) {
    int k = spec.topK();
    int width = spec.width();
    float[] planted = x.clone();
    for (int t = 0; t < tokens; t++) {
      for (int e = 0; e < spec.experts(); e++) {
        planted[t * width + e] = 0;
      }
      for (int j = 0; j < k; j++) {
        planted[t * width + choices[t * k + j]] = 2 + k - j;
      }
    }
    float[] identity = new float[router.length];
    for (int e = 0; e < spec.experts(); e++) {
      identity[e * width + e] = 1;
    }
    return new MoeCase(spec, tokens, hidden, gated, planted, dout, identity, gate, up, down);
  }

  MoeCase with(float[] x, float[] dout) {
    return new MoeCase(spec, tokens, hidden, gated, x, dout, router, gate, up, down);
  }

  MoeCase with(float[] router, float[] gate, float[] up, float[] down) {
    return new MoeCase(spec, tokens, hidden, gated, x, dout, router, gate, up, down);
  }

  private static float[] scaled(float[] values, double factor) {
    for (int i = 0; i < values.length; i++) {
      values[i] *= (float) factor;
    }
    return values;
  }
}
