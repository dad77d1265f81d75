package dev.sparrow.backend.cuda;

import dev.sparrow.backend.ConvShape;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** ConvWindow of {@code gemm/conv.cuh}. */
final class WindowStruct {
  private final ByteBuffer bytes =
      ByteBuffer.allocateDirect(8 * Integer.BYTES).order(ByteOrder.nativeOrder());

  /** Valid until the next call. */
  ByteBuffer of(ConvShape s) {
    return bytes
        .clear()
        .putInt(s.height())
        .putInt(s.width())
        .putInt(s.channels())
        .putInt(s.kernel())
        .putInt(s.stride())
        .putInt(s.padding())
        .putInt(s.outHeight())
        .putInt(s.outWidth())
        .flip();
  }
}
