package dev.sparrow.checkpoint;

import dev.sparrow.tensor.Shape;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The factors of a low-rank weight in a model file: {@code <weight>.u} (out, rank) and {@code
 * <weight>.v} (rank, in), or both with a first dimension for the experts, whose product the weight
 * is.
 */
record FactorTensors(String weight, HostTensor u, HostTensor v) {
  private static final String U = ".u";
  private static final String V = ".v";

  FactorTensors {
    if (!(u.array() instanceof float[])
        || !(v.array() instanceof float[])
        || u.shape().rank() != v.shape().rank()
        || u.shape().rank() < 2
        || u.shape().dim(-1) != v.shape().dim(-2)
        || matrices(u) != matrices(v)) {
      throw new IllegalArgumentException(
          "%s: expected factors %s (.., out, rank) and %s (.., rank, in) of floats, got %s and %s"
              .formatted(weight, U, V, u.shape(), v.shape()));
    }
  }

  /** All there are, by the names of both tensors. */
  static Map<String, FactorTensors> of(List<HostTensor> tensors) {
    Map<String, HostTensor> byName = new HashMap<>();
    tensors.forEach(tensor -> byName.put(tensor.name(), tensor));
    Map<String, FactorTensors> factors = new HashMap<>();
    for (HostTensor u : tensors) {
      String weight =
          u.name().endsWith(U) ? u.name().substring(0, u.name().length() - U.length()) : "";
      HostTensor v = byName.get(weight + V);
      if (v != null) {
        FactorTensors pair = new FactorTensors(weight, u, v);
        factors.put(u.name(), pair);
        factors.put(v.name(), pair);
      }
    }
    return factors;
  }

  private static int matrices(HostTensor factor) {
    return factor.shape().rank() == 2 ? 1 : factor.shape().dim(0);
  }

  int rank() {
    return u.shape().dim(-1);
  }

  /** Of the product: (out, in), or (experts, out, in). */
  Shape shape() {
    int out = u.shape().dim(-2);
    int in = v.shape().dim(-1);
    return u.shape().rank() == 2 ? Shape.of(out, in) : Shape.of(matrices(u), out, in);
  }

  /** The weight itself, under its name. */
  HostTensor product() {
    int out = u.shape().dim(-2);
    int in = v.shape().dim(-1);
    float[] us = (float[]) u.array();
    float[] vs = (float[]) v.array();
    float[] product = new float[Math.toIntExact(shape().size())];
    double[] row = new double[in];
    for (int i = 0; i < matrices(u) * out; i++) {
      Arrays.fill(row, 0);
      for (int k = 0; k < rank(); k++) {
        double factor = us[u.offset() + i * rank() + k];
        int from = v.offset() + (i / out * rank() + k) * in;
        for (int j = 0; j < in; j++) {
          row[j] += factor * vs[from + j];
        }
      }
      for (int j = 0; j < in; j++) {
        product[i * in + j] = (float) row[j];
      }
    }
    return HostTensor.of(weight, shape(), product, 0);
  }
}
