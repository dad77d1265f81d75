package dev.sparrow.backend.cpu;

import dev.sparrow.backend.Philox;
import dev.sparrow.backend.RandomKey;

/** Multiplicative uniform noise over one run of floats, drawn on the way. */
final class PhiloxJitter {
  private PhiloxJitter() {}

  /** {@code out_i (+)= x_i·(1 - epsilon + 2·epsilon·draw(counter + i))}. */
  static void apply(
      float[] x,
      int xo,
      double epsilon,
      RandomKey key,
      long counter,
      boolean accumulate,
      float[] out,
      int oo,
      int n) {
    float low = (float) (1 - epsilon);
    float span = (float) (2 * epsilon);
    int[] block = new int[4];
    int i = 0;
    while (i < n) {
      long draw = counter + i;
      Philox.block(key, draw >>> 2, block);
      for (int lane = (int) (draw & 3); lane < 4 && i < n; lane++, i++) {
        float value = x[xo + i] * (low + span * Philox.uniform(block[lane]));
        out[oo + i] = accumulate ? out[oo + i] + value : value;
      }
    }
  }
}
