package dev.sparrow.backend.cuda;

import dev.sparrow.backend.ConvShape;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** ConvWindow of {@code gemm/conv.cuh}. */
final class WindowStruct {
  private static final int OF_WINDOW = 8;
  private static final int OF_LATTICE = 10;

  private final ByteBuffer bytes =
      ByteBuffer.allocateDirect((OF_WINDOW + OF_LATTICE) * Integer.BYTES)
          .order(ByteOrder.nativeOrder());

  /** Of no lattice; valid until the next call. */
  ByteBuffer of(ConvShape s) {
    window(s);
    for (int i = 0; i < OF_LATTICE; i++) {
      bytes.putInt(0);
    }
    return bytes.flip();
  }

  /** Valid until the next call. */
  ByteBuffer of(ConvLattice lattice) {
    window(lattice.shape());
    return bytes
        .putInt(lattice.firstY())
        .putInt(lattice.firstX())
        .putInt(lattice.height())
        .putInt(lattice.width())
        .putInt(lattice.firstTapY())
        .putInt(lattice.firstTapX())
        .putInt(lattice.tapsY())
        .putInt(lattice.tapsX())
        .putInt(lattice.aheadY())
        .putInt(lattice.aheadX())
        .flip();
  }

  private void window(ConvShape s) {
    bytes
        .clear()
        .putInt(s.height())
        .putInt(s.width())
        .putInt(s.channels())
        .putInt(s.kernel())
        .putInt(s.stride())
        .putInt(s.padding())
        .putInt(s.outHeight())
        .putInt(s.outWidth());
  }
}
