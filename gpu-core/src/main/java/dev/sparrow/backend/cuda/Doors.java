package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/** Checks at an op's door. */
final class Doors {
  private Doors() {}

  /**
   * The common size of the tensors.
   *
   * @param names op and tensors, such as {@code add: a, b, out}
   */
  static long equalSizes(String names, Tensor first, Tensor... others) {
    for (Tensor other : others) {
      if (other.size() != first.size()) {
        throw new IllegalArgumentException(
            names + ": expected equal sizes, got " + first + " and " + other);
      }
    }
    return first.size();
  }

  /** Throws unless all tensors are of the first one's type. */
  static DType equalTypes(String names, Tensor first, Tensor... others) {
    for (Tensor other : others) {
      requireType(names, other, first.dtype());
    }
    return first.dtype();
  }

  static void requireType(String what, Tensor tensor, DType type) {
    if (tensor.dtype() != type) {
      throw new IllegalArgumentException(what + ": expected " + type + ", got " + tensor);
    }
  }

  /** The tensor's type; throws unless it is a float one. */
  static DType requireFloats(String op, Tensor tensor) {
    if (tensor.dtype() != DType.F32 && tensor.dtype() != DType.BF16) {
      throw new IllegalArgumentException(op + ": expected F32 or BF16, got " + tensor);
    }
    return tensor.dtype();
  }

  /** Throws unless the tensor has so many elements of the type. */
  static void requireVector(String what, Tensor vector, long size, DType type) {
    requireSize(what, vector, size);
    requireType(what, vector, type);
  }

  static void requireSize(String what, Tensor tensor, long size) {
    if (tensor.size() != size) {
      throw new IllegalArgumentException(what + ": expected " + size + " elements, got " + tensor);
    }
  }

  /** Throws unless the tensor has so many rows and columns. */
  static void requireMatrix(String what, Tensor tensor, long rows, long columns) {
    if (tensor.columns() != columns || tensor.size() != rows * columns) {
      throw new IllegalArgumentException(
          "%s: expected [%d, %d], got %s".formatted(what, rows, columns, tensor));
    }
  }
}
