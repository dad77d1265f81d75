package dev.sparrow.backend.cuda;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The 128 opaque bytes of a CUtensorMap, in native memory aligned to 64 as the driver demands.
 * Copied by value into a launch's arguments. Freed with this object; refers to device memory
 * without owning it.
 */
final class TensorMap {
  static final int BYTES = 128;
  private static final int ALIGNMENT = 64;

  private final Memory memory = new Memory(BYTES + ALIGNMENT);
  private final Pointer aligned;
  private final ByteBuffer bytes;

  TensorMap() {
    long start = Pointer.nativeValue(memory);
    long offset = Math.floorMod(-start, (long) ALIGNMENT);
    memory.clear();
    aligned = memory.share(offset, BYTES);
    bytes = memory.getByteBuffer(offset, BYTES).order(ByteOrder.nativeOrder());
  }

  /** Where the driver writes. */
  Pointer pointer() {
    return aligned;
  }

  /** All 128 bytes, position 0. */
  ByteBuffer bytes() {
    return bytes;
  }
}
