package dev.sparrow.backend;

import dev.sparrow.backend.cpu.HeapStorage;
import dev.sparrow.tensor.Tensor;

/** Element access to an F64 tensor, so that the oracle's loops read like the equations. */
final class Doubles {
  private final double[] array;
  private final int offset;
  private final int columns;

  private Doubles(double[] array, int offset, int columns) {
    this.array = array;
    this.offset = offset;
    this.columns = columns;
  }

  static Doubles of(Tensor tensor) {
    return new Doubles(
        HeapStorage.doubles(tensor), HeapStorage.offset(tensor), tensor.shape().columns());
  }

  double get(int i) {
    return array[offset + i];
  }

  double get(int row, int column) {
    return array[offset + row * columns + column];
  }

  void set(int i, double value) {
    array[offset + i] = value;
  }

  void set(int row, int column, double value) {
    array[offset + row * columns + column] = value;
  }

  void add(int i, double value) {
    array[offset + i] += value;
  }

  void add(int row, int column, double value) {
    array[offset + row * columns + column] += value;
  }

  /** Assigns, or adds with {@code accumulate}. */
  void put(int row, int column, double value, boolean accumulate) {
    set(row, column, accumulate ? get(row, column) + value : value);
  }
}
