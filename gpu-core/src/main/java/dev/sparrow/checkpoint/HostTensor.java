package dev.sparrow.checkpoint;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;

/**
 * A named tensor in a Java array, on its way to or from a file.
 *
 * @param array float[], double[] or int[], as the dtype says
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

  private static int length(String name, DType dtype, Object array) {
    if (dtype == DType.F32 && array instanceof float[] floats) {
      return floats.length;
    }
    if (dtype == DType.F64 && array instanceof double[] doubles) {
      return doubles.length;
    }
    if (dtype == DType.I32 && array instanceof int[] ints) {
      return ints.length;
    }
    throw new IllegalArgumentException(
        name
            + ": expected float[], double[] or int[] with dtype F32, F64 or I32, got "
            + array.getClass().getSimpleName()
            + " with "
            + dtype);
  }
}
