package dev.sparrow.bench;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.MatmulOps;
import dev.sparrow.backend.SparseOps;
import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.Tensor;
import java.util.EnumMap;
import java.util.Map;

/** One way to compute the products of a shape, and the times that it took. */
final class SpmmContender implements AutoCloseable {
  private final Map<SpmmOp, Runnable> products;
  private final Map<SpmmOp, Integer> repeats = new EnumMap<>(SpmmOp.class);
  private final Map<SpmmOp, double[]> millis = new EnumMap<>(SpmmOp.class);

  private final Runnable release;

  /**
   * @param release gives back what the products hold
   */
  SpmmContender(Map<SpmmOp, Runnable> products, Runnable release) {
    this.products = new EnumMap<>(products);
    this.release = release;
  }

  /** Dense products, as the backend has them from its matrix library. */
  static SpmmContender dense(Backend backend, SpmmOperands on) {
    MatmulOps ops = backend.matmul();
    return new SpmmContender(
        Map.of(
            SpmmOp.FORWARD, () -> ops.forward(on.x(), on.w(), null, null, on.y()),
            SpmmOp.BACKWARD_INPUT, () -> ops.backwardInput(on.dy(), on.w(), false, on.dx()),
            SpmmOp.BACKWARD_WEIGHT, () -> ops.backwardWeight(on.dy(), on.x(), on.dw(), null)),
        () -> {});
  }

  /** The backend's products over a pattern. */
  static SpmmContender sparse(Backend backend, SpmmOperands on, UniformPattern pattern) {
    SparseOps ops = backend.sparse();
    SparsePattern p = ops.load(pattern);
    Tensor v = on.random(pattern.liveRows(), pattern.fanIn());
    Tensor dv = SpmmOperands.zeros(pattern.liveRows(), pattern.fanIn());
    return new SpmmContender(
        Map.of(
            SpmmOp.FORWARD, () -> ops.forward(on.x(), v, p, null, null, on.y()),
            SpmmOp.BACKWARD_INPUT, () -> ops.backwardInput(on.dy(), v, p, false, on.dx()),
            SpmmOp.BACKWARD_WEIGHT, () -> ops.backwardWeight(on.dy(), on.x(), p, dv, null)),
        p::close);
  }

  /** Warms each product up and plans its measurements. */
  void warmUp(SpmmEffort effort) {
    products.forEach(
        (op, product) -> {
          double shortest = Double.POSITIVE_INFINITY;
          for (double all = 0; all < effort.firstWarmUpMillis(); ) {
            double last = time(product, 1);
            shortest = Math.min(shortest, last);
            all += last;
          }
          repeats.put(op, (int) Math.max(1, Math.ceil(effort.measureMillis() / shortest)));
          millis.put(op, new double[effort.runs()]);
        });
  }

  /** Measures each product once, after a run of it that brings its operands near. */
  void measure(int run) {
    products.forEach(
        (op, product) -> {
          int times = repeats.get(op);
          product.run();
          millis.get(op)[run] = time(product, times) / times;
        });
  }

  private static double time(Runnable product, int times) {
    long start = System.nanoTime();
    for (int i = 0; i < times; i++) {
      product.run();
    }
    return Math.max(1e-6, (System.nanoTime() - start) * 1e-6);
  }

  boolean has(SpmmOp op) {
    return products.containsKey(op);
  }

  /** Milliseconds of a product in each run. */
  double[] millis(SpmmOp op) {
    return millis.get(op);
  }

  /** Milliseconds of all products in each run. */
  double[] allMillis() {
    double[] sums = new double[millis.values().iterator().next().length];
    for (double[] one : millis.values()) {
      for (int run = 0; run < sums.length; run++) {
        sums[run] += one[run];
      }
    }
    return sums;
  }

  @Override
  public void close() {
    release.run();
  }
}
