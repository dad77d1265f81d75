package dev.sparrow.nn;

import dev.sparrow.backend.Philox;
import dev.sparrow.backend.RandomKey;
import java.util.Arrays;

/**
 * How a parameter starts. The draws are a function of the run's seed and the parameter's name, so
 * that adding a layer changes no other layer's start.
 */
@FunctionalInterface
public interface Initializer {
  Initializer ZEROS = new Normal(0, 0);
  Initializer ONES = new Normal(1, 0);

  /** N(0, standardDeviation²). */
  static Initializer normal(double standardDeviation) {
    return new Normal(0, standardDeviation);
  }

  /**
   * Writes every element.
   *
   * @param seed of the run
   * @param name of the parameter
   */
  void fill(long seed, String name, float[] out);

  /**
   * Normally distributed around a mean.
   *
   * @param standardDeviation 0: every element is the mean
   */
  record Normal(double mean, double standardDeviation) implements Initializer {
    @Override
    public void fill(long seed, String name, float[] out) {
      if (standardDeviation == 0) {
        Arrays.fill(out, (float) mean);
        return;
      }
      Philox.normals(new RandomKey(seed, RandomKey.streamOf(name)), 0, out, 0, out.length);
      for (int i = 0; i < out.length; i++) {
        out[i] = (float) (mean + standardDeviation * out[i]);
      }
    }
  }
}
