package dev.sparrow.checkpoint;

import dev.sparrow.backend.PatternLayout;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.Shape;
import java.util.Arrays;

/**
 * The non-zeros of one sparse weight.
 *
 * @param values (liveRows, fanIn)
 */
record WeightValues(UniformPattern pattern, float[] values) {
  /**
   * Of a saved tensor: the non-zeros themselves, or the whole matrix, of which the pattern's places
   * count.
   */
  static WeightValues of(
      String weight, UniformPattern pattern, PatternLayout layout, HostTensor saved) {
    boolean whole = saved.name().equals(weight);
    Shape expected = whole ? layout.matrix() : Shape.of(pattern.liveRows(), pattern.fanIn());
    if (!saved.shape().equals(expected) || !(saved.array() instanceof float[] array)) {
      throw new IllegalArgumentException(
          "%s: expected F32%s, got %s%s"
              .formatted(saved.name(), expected, saved.dtype(), saved.shape()));
    }
    int size = Math.toIntExact(expected.size());
    float[] window = Arrays.copyOfRange(array, saved.offset(), saved.offset() + size);
    return new WeightValues(pattern, whole ? gathered(pattern, window) : window);
  }

  private static float[] gathered(UniformPattern pattern, float[] matrix) {
    int[] places = pattern.places();
    float[] values = new float[places.length];
    for (int i = 0; i < places.length; i++) {
      values[i] = matrix[places[i]];
    }
    return values;
  }

  /** (liveRows, fanIn). */
  HostTensor compact(String name) {
    return HostTensor.of(name, Shape.of(pattern.liveRows(), pattern.fanIn()), values, 0);
  }

  /** The whole matrix, zero off the pattern. */
  HostTensor dense(String name, Shape matrix) {
    float[] elements = new float[Math.toIntExact(matrix.size())];
    int[] places = pattern.places();
    for (int i = 0; i < places.length; i++) {
      elements[places[i]] = values[i];
    }
    return HostTensor.of(name, matrix, elements, 0);
  }
}
