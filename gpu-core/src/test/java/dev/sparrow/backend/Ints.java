package dev.sparrow.backend;

import dev.sparrow.backend.cpu.HeapStorage;
import dev.sparrow.tensor.Tensor;

/** Element access to an I32 tensor. */
final class Ints {
  private final int[] array;
  private final int offset;
  private final int columns;

  private Ints(int[] array, int offset, int columns) {
    this.array = array;
    this.offset = offset;
    this.columns = columns;
  }

  static Ints of(Tensor tensor) {
    return new Ints(HeapStorage.ints(tensor), HeapStorage.offset(tensor), tensor.shape().columns());
  }

  int get(int i) {
    return array[offset + i];
  }

  int get(int row, int column) {
    return array[offset + row * columns + column];
  }

  void set(int i, int value) {
    array[offset + i] = value;
  }

  void set(int row, int column, int value) {
    array[offset + row * columns + column] = value;
  }
}
