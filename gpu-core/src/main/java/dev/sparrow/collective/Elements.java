package dev.sparrow.collective;

import dev.sparrow.backend.cpu.HeapStorage;
import dev.sparrow.tensor.Tensor;
import java.nio.ByteBuffer;

/**
 * A window of one Java array, as the wire sees it: little-endian elements, moved in bulk. The
 * buffers' byte order must be little-endian. Not thread-safe: sums pass through a scratch array.
 */
interface Elements {
  /** Name of the element type for messages and headers: F32, F64, I32 or U8. */
  String type();

  /** Bytes of one element. */
  int unit();

  /** The Java array; the window begins at {@link #offset}. */
  Object array();

  int offset();

  int length();

  /** Appends elements [at, at + count) to {@code to}. */
  void write(int at, int count, ByteBuffer to);

  /** Replaces elements [at, at + count) by the next ones of {@code from}. */
  void set(int at, int count, ByteBuffer from);

  /** Adds the next elements of {@code from} to elements [at, at + count). */
  void add(int at, int count, ByteBuffer from);

  /** Copies {@code count} elements to another window of the same type. */
  default void copyTo(int at, Elements to, int toAt, int count) {
    System.arraycopy(array(), offset() + at, to.array(), to.offset() + toAt, count);
  }

  /** The elements of a CPU tensor of F32, F64 or I32. */
  static Elements of(Tensor tensor) {
    int offset = HeapStorage.offset(tensor);
    int length = Math.toIntExact(tensor.size());
    return switch (tensor.dtype()) {
      case F32 -> new FloatElements(HeapStorage.floats(tensor), offset, length);
      case F64 -> new DoubleElements(HeapStorage.doubles(tensor), offset, length);
      case I32 -> new IntElements(HeapStorage.ints(tensor), offset, length);
      default ->
          throw new IllegalArgumentException("collective: expected F32, F64 or I32, got " + tensor);
    };
  }
}
