package dev.sparrow.checkpoint;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;

/**
 * A named tensor in a Java array, on its way to or from a file.
 *
 * @param dtype of the file: values are narrowed as they are written, and widened as they are read
 * @param array float[] for F32 and BF16, double[] for F64, int[] for I32, U16 and U8
 * @param offset first element in the array
 */
public record HostTensor(String name, DType dtype, Shape shape, Object array, int offset) {
  public HostTensor {
    int length = length(name, dtype, array);
    if (offset < 0 || offset + shape.size() > length) {
      throw new IllegalArgumentException(
          name
              + ": expected a window inside an array of "
              + length
              + " elements, got offset "
              + offset
              + " and shape "
              + shape);
    }
  }

  public static HostTensor of(String name, Shape shape, float[] array, int offset) {
    return new HostTensor(name, DType.F32, shape, array, offset);
  }

  public static HostTensor of(String name, Shape shape, double[] array, int offset) {
    return new HostTensor(name, DType.F64, shape, array, offset);
  }

  public static HostTensor of(String name, Shape shape, int[] array, int offset) {
    return new HostTensor(name, DType.I32, shape, array, offset);
  }

  public long bytes() {
    return shape.size() * dtype.bytes();
  }

  /** Room for a tensor of a file. */
  static HostTensor room(TensorInfo info) {
    int size = Math.toIntExact(info.shape().size());
    Object array =
        switch (info.dtype()) {
          case F32, BF16 -> new float[size];
          case F64 -> new double[size];
          case I32, U16, U8 -> new int[size];
        };
    return new HostTensor(info.name(), info.dtype(), info.shape(), array, 0);
  }

  /** The same values in another of the types that a file can hold this array in. */
  public HostTensor as(DType fileType) {
    return new HostTensor(name, fileType, shape, array, offset);
  }

  private static int length(String name, DType dtype, Object array) {
    boolean floats = dtype == DType.F32 || dtype == DType.BF16;
    boolean doubles = dtype == DType.F64;
    if (floats && array instanceof float[] values) {
      return values.length;
    }
    if (doubles && array instanceof double[] values) {
      return values.length;
    }
    if (!floats && !doubles && array instanceof int[] values) {
      return values.length;
    }
    throw new IllegalArgumentException(
        name
            + ": expected float[] with F32 or BF16, double[] with F64, or int[] with I32, U16 or U8,"
            + " got "
            + array.getClass().getSimpleName()
            + " with "
            + dtype);
  }
}
