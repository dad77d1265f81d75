package dev.sparrow.checkpoint;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;

/**
 * One tensor of a file's header.
 *
 * @param start first byte, from the end of the header
 * @param end byte after the last
 */
public record TensorInfo(String name, DType dtype, Shape shape, long start, long end) {
  public TensorInfo {
    if (start < 0 || end - start != shape.size() * dtype.bytes()) {
      throw new IllegalArgumentException(
          name
              + ": expected "
              + shape.size() * dtype.bytes()
              + " bytes of "
              + dtype
              + shape
              + ", got the offsets ["
              + start
              + ", "
              + end
              + ")");
    }
  }
}
