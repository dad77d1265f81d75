package dev.sparrow.backend.cuda;

import com.sun.jna.Pointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Page-locked host memory, which copies run from and to without a bounce and beside kernels. The
 * caller owns it and closes it on the context's thread, after the copies are done; buffers of it
 * are dead from then on. Up to 2 GiB, which is what a ByteBuffer spans.
 */
final class PinnedBuffer implements AutoCloseable {
  private final HostAddress handle = new HostAddress();
  private final long bytes;
  private ByteBuffer buffer;

  private PinnedBuffer(long bytes) {
    this.bytes = bytes;
  }

  /** At least one byte, at most 2^31 - 1; contents undefined. */
  static PinnedBuffer allocate(long bytes) {
    if (bytes < 1 || bytes > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "pinned buffer: expected 1 to "
              + Integer.MAX_VALUE
              + " bytes, got "
              + bytes
              + "; split it");
    }
    PinnedBuffer pinned = new PinnedBuffer(bytes);
    Cuda.allocatePinned(pinned.handle, bytes);
    pinned.buffer = new Pointer(pinned.handle.value()).getByteBuffer(0, bytes);
    pinned.buffer.order(ByteOrder.nativeOrder());
    return pinned;
  }

  /** The whole memory in native byte order; position and limit are the caller's to move. */
  ByteBuffer buffer() {
    requireOpen();
    return buffer;
  }

  /** Native address of the first byte, such as Arrow buffers can be laid over. */
  long address() {
    requireOpen();
    return handle.value();
  }

  long bytes() {
    return bytes;
  }

  /** Throws unless [offset, offset + count) lies inside. */
  void requireRange(long offset, long count) {
    requireOpen();
    requireRange(offset, count, bytes);
  }

  static void requireRange(long offset, long count, long bytes) {
    if (offset < 0 || count < 0 || offset > bytes - count) {
      throw new IllegalArgumentException(
          "pinned buffer: expected a range inside "
              + bytes
              + " bytes, got offset "
              + offset
              + " and count "
              + count);
    }
  }

  /** Throws once it is closed. */
  void requireOpen() {
    if (buffer == null) {
      throw new IllegalStateException("pinned buffer of " + bytes + " bytes: closed");
    }
  }

  @Override
  public void close() {
    if (buffer != null) {
      buffer = null;
      Cuda.freePinned(handle);
    }
  }
}
