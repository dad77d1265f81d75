package dev.sparrow.backend;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Storage;
import dev.sparrow.tensor.Tensor;

/**
 * Memory of {@link RoundingBackend}: the oracle's, whose floats hold nothing that this type could
 * not. Tensors have a twin there, and the ops say here which type they are to be of.
 */
final class RoundedStorage implements Storage {
  private final DType dtype;
  private final Tensor twin;

  /**
   * @param twin F64 or I32, all of the memory
   */
  RoundedStorage(DType dtype, Tensor twin) {
    this.dtype = dtype;
    this.twin = twin;
  }

  @Override
  public DType dtype() {
    return dtype;
  }

  @Override
  public long length() {
    return twin.size();
  }

  /** The oracle's tensor behind an activation, its gradient or a weight that ops read. */
  static Tensor compute(Tensor tensor) {
    return twin(DType.BF16, tensor);
  }

  /**
   * The oracle's tensor behind a parameter's gradient, statistics, losses or a router's numbers.
   */
  static Tensor floats(Tensor tensor) {
    return twin(DType.F32, tensor);
  }

  /** The oracle's tensor behind a sum that the host reads; never rounded. */
  static Tensor doubles(Tensor tensor) {
    return twin(DType.F64, tensor);
  }

  static Tensor ints(Tensor tensor) {
    return twin(DType.I32, tensor);
  }

  /** Null for null; an error of the test where the type is another. */
  private static Tensor twin(DType expected, Tensor tensor) {
    if (tensor != null && tensor.dtype() != expected) {
      throw new AssertionError("expected a tensor of " + expected + ", got " + tensor);
    }
    return twin(tensor);
  }

  /** The oracle's tensor behind a tensor of any type; null for null. */
  static Tensor twin(Tensor tensor) {
    if (tensor == null) {
      return null;
    }
    Tensor whole = ((RoundedStorage) tensor.storage()).twin;
    return new Tensor(whole.storage(), tensor.offset(), tensor.shape());
  }

  /** Makes the values that the oracle has just written into such as the types hold. */
  static void round(Tensor... written) {
    for (Tensor tensor : written) {
      if (tensor != null) {
        Doubles values = Doubles.of(twin(tensor));
        for (int i = 0; i < tensor.size(); i++) {
          values.set(i, rounded(tensor.dtype(), values.get(i)));
        }
      }
    }
  }

  /** To fp32 as an op's arithmetic gives it, and from there to the type. */
  static double rounded(DType dtype, double value) {
    return dtype == DType.BF16 ? Bf16.round((float) value) : (float) value;
  }
}
