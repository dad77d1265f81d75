package dev.sparrow.sparsity.lowrank;

import java.util.Random;

/** Random matrices of known rank. */
final class Matrices {
  private Matrices() {}

  static float[] normal(int size, double deviation, long seed) {
    Random random = new Random(seed);
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = (float) (deviation * random.nextGaussian());
    }
    return values;
  }

  /** (out, in) of rank k with about equal singular values {@code strength}, plus noise. */
  static float[] planted(int out, int in, int k, double strength, double noise, long seed) {
    float[] a = normal(out * k, 1 / Math.sqrt(out), seed);
    float[] b = normal(k * in, 1 / Math.sqrt(in), seed + 1);
    float[] w = normal(out * in, noise, seed + 2);
    float[] product = product(a, b, out, k, in);
    for (int i = 0; i < w.length; i++) {
      w[i] += (float) (strength * product[i]);
    }
    return w;
  }

  /** (m, k) times (k, n). */
  static float[] product(float[] a, float[] b, int m, int k, int n) {
    float[] c = new float[m * n];
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        double sum = 0;
        for (int l = 0; l < k; l++) {
          sum += (double) a[i * k + l] * b[l * n + j];
        }
        c[i * n + j] = (float) sum;
      }
    }
    return c;
  }
}
