package dev.sparrow.backend.cpu;

import dev.sparrow.tensor.Tensor;

/** Checks of shapes at the door of an op; they allocate only when they fail. */
final class Matrices {
  private Matrices() {}

  /** Throws unless the tensor, seen as a matrix of its last dimension, has the expected size. */
  static Tensor check(String name, Tensor tensor, int rows, int columns) {
    if (tensor.columns() != columns || tensor.rows() != rows) {
      throw new IllegalArgumentException(
          name + ": expected [" + rows + ", " + columns + "], got " + tensor.shape());
    }
    return tensor;
  }

  /** Whether two tensors are one. */
  static boolean isSame(Tensor a, Tensor b) {
    return a.storage() == b.storage() && a.offset() == b.offset() && a.size() == b.size();
  }

  /** Throws unless the tensor has the expected number of elements. */
  static Tensor vector(String name, Tensor tensor, int size) {
    if (tensor.size() != size) {
      throw new IllegalArgumentException(name + ": expected [" + size + "], got " + tensor.shape());
    }
    return tensor;
  }

  /** Number of experts of stacked weights (E, out, in) with offsets (E + 1). */
  static int experts(Tensor w, Tensor offsets, int out, int in) {
    int experts = w.dim(0);
    if (w.shape().rank() != 3 || w.dim(1) != out || w.dim(2) != in) {
      throw new IllegalArgumentException(
          "w: expected [experts, " + out + ", " + in + "], got " + w.shape());
    }
    vector("offsets", offsets, experts + 1);
    return experts;
  }

  /** Throws unless offsets rise from 0 to at most {@code limit}; returns the last. */
  static int assignments(int[] offsets, int first, int experts, int limit) {
    int previous = offsets[first];
    for (int e = 1; previous >= 0 && e <= experts; e++) {
      int next = offsets[first + e];
      if (next < previous) {
        throw new IllegalArgumentException(
            "offsets: expected non-decreasing row numbers, got " + previous + " before " + next);
      }
      previous = next;
    }
    if (offsets[first] != 0 || previous > limit) {
      throw new IllegalArgumentException(
          "offsets: expected row numbers from 0 to at most %d, got %d to %d"
              .formatted(limit, offsets[first], previous));
    }
    return previous;
  }
}
