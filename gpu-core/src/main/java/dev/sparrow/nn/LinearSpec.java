package dev.sparrow.nn;

/**
 * What a model asks of a method for one matrix.
 *
 * @param name the layer's dotted path; the weight's parameters are {@code name + ".weight"} and so
 *     on
 * @param standardDeviation of the initial weights
 */
public record LinearSpec(String name, int in, int out, double standardDeviation) {
  public LinearSpec {
    if (in < 1 || out < 1) {
      throw new IllegalArgumentException(
          name + ": expected in and out >= 1, got " + in + " and " + out);
    }
  }
}
