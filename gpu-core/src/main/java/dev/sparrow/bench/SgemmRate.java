package dev.sparrow.bench;

import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.cpu.Blas;
import java.util.Arrays;

/**
 * What the machine's matrix library gives in this process: every thread of a pool multiplies its
 * own large square matrices. Takes well under a second on one core of 2020.
 */
final class SgemmRate implements ProductRate {
  private static final int SIZE = 1024;
  private static final int RUNS = 7;

  private final HostPool pool;

  SgemmRate(HostPool pool) {
    this.pool = pool;
  }

  @Override
  public String name() {
    return "sgemm";
  }

  @Override
  public FlopUnit unit() {
    return FlopUnit.GIGA;
  }

  /** Of all threads together. */
  @Override
  public double measure() {
    Blas blas = Blas.get();
    int threads = pool.threads();
    float[][] a = new float[threads][SIZE * SIZE];
    float[][] b = new float[threads][SIZE * SIZE];
    float[][] c = new float[threads][SIZE * SIZE];
    for (int i = 0; i < threads; i++) {
      Arrays.fill(a[i], 1.01f);
      Arrays.fill(b[i], 0.99f);
    }
    double[] rates = new double[RUNS];
    for (int run = -1; run < RUNS; run++) { // the first warms up
      long start = System.nanoTime();
      pool.forEach(threads, i -> multiply(blas, a[i], b[i], c[i]));
      double seconds = (System.nanoTime() - start) * 1e-9;
      if (run >= 0) {
        rates[run] = unit().rate(2.0 * SIZE * SIZE * SIZE * threads, seconds);
      }
    }
    return BenchRow.median(rates);
  }

  private static void multiply(Blas blas, float[] a, float[] b, float[] c) {
    blas.sgemm(false, false, SIZE, SIZE, SIZE, 1, a, 0, SIZE, b, 0, SIZE, 0, c, 0, SIZE);
  }
}
