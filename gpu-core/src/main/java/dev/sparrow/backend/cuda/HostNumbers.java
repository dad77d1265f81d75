package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.Bfloat16;
import dev.sparrow.tensor.DType;
import java.nio.ByteBuffer;

/** Floats between Java arrays and the bytes of a device type. */
final class HostNumbers {
  private HostNumbers() {}

  /** Appends elements [first, first + count) in the type; BF16 is rounded to the nearest even. */
  static void put(DType type, float[] values, int first, int count, ByteBuffer out) {
    if (type == DType.F32) {
      out.asFloatBuffer().put(values, first, count);
      return;
    }
    for (int i = first; i < first + count; i++) {
      out.putShort(Bfloat16.bits(values[i]));
    }
  }

  /** Reads elements into [first, first + count). */
  static void take(DType type, ByteBuffer in, float[] values, int first, int count) {
    if (type == DType.F32) {
      in.asFloatBuffer().get(values, first, count);
      return;
    }
    for (int i = first; i < first + count; i++) {
      values[i] = Bfloat16.value(in.getShort());
    }
  }
}
