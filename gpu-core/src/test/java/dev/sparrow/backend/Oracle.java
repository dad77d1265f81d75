package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/** Tensors on the double oracle for tests of gradients; public so that layers' tests share it. */
public final class Oracle {
  private final ReferenceBackend backend;
  private final RandomValues random;

  public Oracle(ReferenceBackend backend, long seed) {
    this.backend = backend;
    this.random = new RandomValues(seed);
  }

  /** Standard normal values. */
  public Tensor normal(int... dims) {
    Tensor tensor = backend.allocate(dims);
    backend.upload(random.normal((int) tensor.size()), 0, tensor);
    return tensor;
  }

  /** NaN everywhere, so that an element that is not assigned, or added to, shows. */
  public Tensor poisoned(int... dims) {
    Tensor tensor = backend.allocate(dims);
    double[] values = new double[(int) tensor.size()];
    Arrays.fill(values, Double.NaN);
    backend.upload(values, 0, tensor);
    return tensor;
  }
}
