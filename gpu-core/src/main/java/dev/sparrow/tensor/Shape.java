package dev.sparrow.tensor;

import java.util.Arrays;

/** Dimensions of a tensor, outermost first. Immutable. */
public final class Shape {
  private final int[] dims;
  private final long size;

  private Shape(int[] dims) {
    long product = 1;
    for (int dim : dims) {
      if (dim < 0) {
        throw new IllegalArgumentException(
            "shape: expected dimensions >= 0, got " + Arrays.toString(dims));
      }
      product = Math.multiplyExact(product, (long) dim);
    }
    this.dims = dims;
    this.size = product;
  }

  /** A shape of the given dimensions; none of them is a scalar of size 1. */
  public static Shape of(int... dims) {
    return new Shape(dims.clone());
  }

  /** Number of dimensions. */
  public int rank() {
    return dims.length;
  }

  /** Dimension {@code i}; negative counts from the end, so {@code dim(-1)} is the last. */
  public int dim(int i) {
    return dims[i < 0 ? dims.length + i : i];
  }

  /** Number of elements. */
  public long size() {
    return size;
  }

  /** Size of the last dimension; 1 for a scalar. */
  public int columns() {
    return dims.length == 0 ? 1 : dims[dims.length - 1];
  }

  /** Product of all dimensions but the last. */
  public int rows() {
    int columns = columns();
    return columns == 0 ? 0 : Math.toIntExact(size / columns);
  }

  /** This shape with its first dimension replaced. */
  public Shape withFirst(int first) {
    int[] changed = dims.clone();
    changed[0] = first;
    return new Shape(changed);
  }

  public int[] toArray() {
    return dims.clone();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Shape shape && Arrays.equals(dims, shape.dims);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(dims);
  }

  @Override
  public String toString() {
    return Arrays.toString(dims);
  }
}
