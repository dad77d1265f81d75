package dev.sparrow.backend.cpu;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Storage;
import dev.sparrow.tensor.Tensor;

/** Storage in one Java array: float[] for F32, double[] for F64, int[] for I32, byte[] for U8. */
public final class HeapStorage implements Storage {
  private final DType dtype;
  private final Object array;
  private final int length;

  private HeapStorage(DType dtype, Object array, int length) {
    this.dtype = dtype;
    this.array = array;
    this.length = length;
  }

  /** A zeroed array. A tensor past 2^31 - 9 elements does not fit a Java array and is refused. */
  public static HeapStorage allocate(DType dtype, long length) {
    if (length > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          "allocate: expected at most 2147483639 elements in one CPU tensor, got "
              + length
              + "; use more ranks with a sharded model, or a GPU");
    }
    int n = (int) length;
    Object array =
        switch (dtype) {
          case F32 -> new float[n];
          case F64 -> new double[n];
          case I32 -> new int[n];
          case U8 -> new byte[n];
          case BF16, U16 ->
              throw new IllegalArgumentException(
                  "allocate: expected F32, F64, I32 or U8, got " + dtype);
        };
    return new HeapStorage(dtype, array, n);
  }

  /** A tensor over an array that exists already; the array is shared, not copied. */
  public static Tensor wrap(float[] values, int... dims) {
    return new Tensor(new HeapStorage(DType.F32, values, values.length), 0, Shape.of(dims));
  }

  /** A tensor over an array that exists already; the array is shared, not copied. */
  public static Tensor wrap(double[] values, int... dims) {
    return new Tensor(new HeapStorage(DType.F64, values, values.length), 0, Shape.of(dims));
  }

  /** A tensor over an array that exists already; the array is shared, not copied. */
  public static Tensor wrap(int[] values, int... dims) {
    return new Tensor(new HeapStorage(DType.I32, values, values.length), 0, Shape.of(dims));
  }

  @Override
  public DType dtype() {
    return dtype;
  }

  @Override
  public long length() {
    return length;
  }

  /** The whole array behind an F32 tensor; elements start at {@link #offset}. */
  public static float[] floats(Tensor tensor) {
    return (float[]) of(tensor, DType.F32).array;
  }

  /** The whole array behind an F64 tensor. */
  public static double[] doubles(Tensor tensor) {
    return (double[]) of(tensor, DType.F64).array;
  }

  /** The whole array behind an I32 tensor. */
  public static int[] ints(Tensor tensor) {
    return (int[]) of(tensor, DType.I32).array;
  }

  /** First element of the tensor in its array. */
  public static int offset(Tensor tensor) {
    return (int) tensor.offset();
  }

  private static HeapStorage of(Tensor tensor, DType expected) {
    if (!(tensor.storage() instanceof HeapStorage heap)) {
      throw new IllegalArgumentException(
          "tensor: expected CPU memory, got " + tensor.storage().getClass().getSimpleName());
    }
    if (heap.dtype != expected) {
      throw new IllegalArgumentException("tensor: expected " + expected + ", got " + tensor);
    }
    return heap;
  }
}
