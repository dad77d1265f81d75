package dev.sparrow.bench;

import dev.sparrow.backend.Backend;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;

/** A large square bf16 product on a GPU, {@code y = x·wᵀ}, by the backend's own engine. */
final class Bf16ProductRate implements ProductRate {
  /** 134 MB a matrix, more than any L2 cache holds. */
  static final int SIZE = 8192;

  private static final int RUNS = 7;

  /** Between two waits, so that these take no part. */
  private static final int PRODUCTS_PER_RUN = 10;

  private final Backend backend;
  private final int size;

  Bf16ProductRate(Backend backend, int size) {
    this.backend = backend;
    this.size = size;
  }

  @Override
  public String name() {
    return "bf16_product";
  }

  @Override
  public FlopUnit unit() {
    return FlopUnit.TERA;
  }

  @Override
  public double measure() {
    try (Workspace workspace = new Workspace(backend)) {
      Tensor x = workspace.keep(size, size);
      Tensor w = workspace.keep(size, size);
      Tensor y = workspace.keep(size, size);
      NormalValues.upload(backend, 1, 1, x);
      NormalValues.upload(backend, 1, 2, w);
      double[] rates = new double[RUNS];
      for (int run = -1; run < RUNS; run++) { // the first warms up
        double rate = run(x, w, y);
        if (run >= 0) {
          rates[run] = rate;
        }
      }
      return BenchRow.median(rates);
    }
  }

  private double run(Tensor x, Tensor w, Tensor y) {
    long start = System.nanoTime();
    for (int i = 0; i < PRODUCTS_PER_RUN; i++) {
      backend.matmul().forward(x, w, null, null, y);
    }
    backend.synchronize();
    double seconds = (System.nanoTime() - start) * 1e-9;
    return unit().rate(2.0 * size * size * size * PRODUCTS_PER_RUN, seconds);
  }
}
