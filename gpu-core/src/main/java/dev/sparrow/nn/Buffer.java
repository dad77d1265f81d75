package dev.sparrow.nn;

import dev.sparrow.tensor.Tensor;

/**
 * A tensor that is saved with the model but not trained by the optimizer, such as a router's
 * balancing bias.
 *
 * @param isAveraged whether each rank has values of its own while it trains, to be averaged over
 *     the ranks before they are read: for validation and checkpoints. Else the same on every rank
 */
public record Buffer(String name, Tensor value, boolean isAveraged) {
  /** The same on every rank. */
  public Buffer(String name, Tensor value) {
    this(name, value, false);
  }

  /** Of a rank's own samples: running statistics. */
  public static Buffer averaged(String name, Tensor value) {
    return new Buffer(name, value, true);
  }
}
