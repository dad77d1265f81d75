package dev.sparrow.backend.cpu;

import dev.sparrow.backend.Philox;
import dev.sparrow.backend.RandomKey;

/** Inverted dropout over one run of floats; the mask is drawn on the way. */
final class PhiloxDropout {
  private PhiloxDropout() {}

  /** {@code out_i = x_i/(1-p)} where draw {@code counter + i} is at least p, else 0. */
  static void apply(
      float[] x, int xo, float p, RandomKey key, long counter, float[] out, int oo, int n) {
    float scale = (float) (1 / (1 - (double) p));
    int[] block = new int[4];
    int i = 0;
    while (i < n) {
      long draw = counter + i;
      Philox.block(key, draw >>> 2, block);
      for (int lane = (int) (draw & 3); lane < 4 && i < n; lane++, i++) {
        out[oo + i] = Philox.uniform(block[lane]) >= p ? x[xo + i] * scale : 0;
      }
    }
  }
}
