package dev.sparrow.bench;

import dev.sparrow.backend.Backend;
import dev.sparrow.tensor.Tensor;
import java.util.SplittableRandom;

/**
 * Normal values for operands whose numbers do not matter as long as they are irregular: of equal
 * ones a GPU draws less power and clocks higher than in any training. A million are drawn and
 * repeated, since a large layer has a billion.
 */
final class NormalValues {
  private static final int DRAWN = 1 << 20;

  private NormalValues() {}

  /** Fills a float tensor. */
  static void upload(Backend backend, double standardDeviation, long seed, Tensor destination) {
    long size = destination.size();
    float[] values = new float[(int) Math.min(DRAWN, size)];
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (standardDeviation * random.nextGaussian());
    }
    for (long start = 0; start < size; start += values.length) {
      int count = (int) Math.min(values.length, size - start);
      backend.upload(values, 0, destination.window(start, count));
    }
  }
}
