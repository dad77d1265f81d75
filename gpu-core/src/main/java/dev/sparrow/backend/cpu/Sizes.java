package dev.sparrow.backend.cpu;

import dev.sparrow.tensor.Tensor;

/** Checks at an op's door. */
final class Sizes {
  private Sizes() {}

  /**
   * The common size of the tensors, as an int: a CPU tensor is one Java array.
   *
   * @param names op and tensors, such as {@code add: a, b, out}
   */
  static int equal(String names, Tensor first, Tensor... others) {
    for (Tensor other : others) {
      if (other.size() != first.size()) {
        throw new IllegalArgumentException(
            names + ": expected equal sizes, got " + first + " and " + other);
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
