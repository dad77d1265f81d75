package dev.sparrow.tensor;

/** A contiguous row-major window of {@link Storage}. Immutable; its elements are not. */
public final class Tensor {
  private final Storage storage;
  private final long offset;
  private final Shape shape;

  /**
   * @param offset first element in {@code storage}, counted in elements
   */
  public Tensor(Storage storage, long offset, Shape shape) {
    if (offset < 0 || offset + shape.size() > storage.length()) {
      throw new IllegalArgumentException(
          "tensor: expected a window inside storage of "
              + storage.length()
              + " elements, got offset "
              + offset
              + " and shape "
              + shape);
    }
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
  }

  public Storage storage() {
    return storage;
  }

  public DType dtype() {
    return storage.dtype();
  }

  /** First element in the storage, in elements. */
  public long offset() {
    return offset;
  }

  public Shape shape() {
    return shape;
  }

  public long size() {
    return shape.size();
  }

  public int rows() {
    return shape.rows();
  }

  public int columns() {
    return shape.columns();
  }

  public int dim(int i) {
    return shape.dim(i);
  }

  public long bytes() {
    return size() * dtype().bytes();
  }

  /** The same elements under another shape of the same size. */
  public Tensor reshape(int... dims) {
    Shape reshaped = Shape.of(dims);
    if (reshaped.size() != size()) {
      throw new IllegalArgumentException(
          "reshape: expected " + size() + " elements as in " + shape + ", got " + reshaped);
    }
    return new Tensor(storage, offset, reshaped);
  }

  /**
   * Entries [start, start + count) of the first dimension; this tensor itself where that is all.
   */
  public Tensor slice(int start, int count) {
    if (start == 0 && count == shape.dim(0)) {
      return this;
    }
    if (start < 0 || count < 0 || start > shape.dim(0) - count) {
      throw new IllegalArgumentException(
          "slice: expected a range inside [0, "
              + shape.dim(0)
              + "), got start "
              + start
              + " and count "
              + count);
    }
    long stride = shape.dim(0) == 0 ? 0 : shape.size() / shape.dim(0);
    return new Tensor(storage, offset + start * stride, shape.withFirst(count));
  }

  /** The first {@code count} entries of the first dimension. */
  public Tensor first(int count) {
    return slice(0, count);
  }

  /** Elements [start, start + count) as a vector, whatever the shape. */
  public Tensor window(long start, int count) {
    return new Tensor(storage, offset + start, Shape.of(count));
  }

  /**
   * Throws unless this tensor has exactly the expected dimensions; {@code name} leads the message.
   */
  public Tensor require(String name, int... dims) {
    Shape expected = Shape.of(dims);
    if (!shape.equals(expected)) {
      throw new IllegalArgumentException(name + ": expected " + expected + ", got " + shape);
    }
    return this;
  }

  @Override
  public String toString() {
    return dtype() + shape.toString();
  }
}
