package dev.sparrow.backend;

import java.util.Random;

/** Random test inputs from an explicit seed. Floats, so that every backend gets the same values. */
public final class RandomValues {
  private final Random random;

  public RandomValues(long seed) {
    random = new Random(seed);
  }

  /** Standard normal values. */
  public float[] normal(int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  /** Values in [from, to). */
  public float[] uniform(int count, double from, double to) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) (from + (to - from) * random.nextDouble());
    }
    return values;
  }

  /** Integers in [from, to). */
  public int[] integers(int count, int from, int to) {
    int[] values = new int[count];
    for (int i = 0; i < count; i++) {
      values[i] = from + random.nextInt(to - from);
    }
    return values;
  }
}
