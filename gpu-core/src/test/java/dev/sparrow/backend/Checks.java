package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/** Door checks of the oracle's ops, beyond {@link Tensor#require}. */
final class Checks {
  private Checks() {}

  /** Throws unless {@code tensor} has {@code size} elements in whatever shape. */
  static void size(String name, long size, Tensor tensor) {
    if (tensor.size() != size) {
      throw new IllegalArgumentException(
          name + ": expected " + size + " elements, got " + tensor.shape());
    }
  }
}
