package dev.sparrow.backend.cpu;

import dev.sparrow.tensor.Tensor;

/** Checks at an op's door. */
final class Sizes {
  private Sizes() {}

  /** The common size of the tensors, as an int: a CPU tensor is one Java array. */
  static int equal(String op, Tensor first, Tensor... others) {
    for (Tensor other : others) {
      if (other.size() != first.size()) {
        throw new IllegalArgumentException(
            op + ": expected tensors of equal size, got " + first + " and " + other);
      }
    }
    return (int) first.size();
  }

  /** Throws unless the tensor has {@code size} elements. */
  static void require(String what, Tensor tensor, long size) {
    if (tensor.size() != size) {
      throw new IllegalArgumentException(what + ": expected " + size + " elements, got " + tensor);
    }
  }
}
