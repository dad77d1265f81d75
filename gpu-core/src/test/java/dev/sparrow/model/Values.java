package dev.sparrow.model;

import dev.sparrow.backend.Backend;
import dev.sparrow.tensor.Tensor;

/**
 * A tensor's values on the host, widened: of fp32 exactly, of the double oracle rounded to fp32.
 */
final class Values {
  private Values() {}

  static double[] of(Backend backend, Tensor tensor) {
    float[] values = floats(backend, tensor);
    double[] wide = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      wide[i] = values[i];
    }
    return wide;
  }

  static float[] floats(Backend backend, Tensor tensor) {
    float[] values = new float[(int) tensor.size()];
    backend.downloadSync(tensor, values, 0);
    return values;
  }
}
