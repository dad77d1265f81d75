package dev.sparrow.tensor;

import java.nio.IntBuffer;

/**
 * Ints of the host that are written and uploaded again and again, such as a batch's. A device may
 * read them after the upload that names them has returned: who writes others first calls {@link
 * #awaitTakenSync}.
 *
 * <p>Opened and closed by the thread of the backend that gave them.
 */
public interface HostInts extends AutoCloseable {
  /**
   * All of them, to be read and written by index, position and limit left as they are. Dead once
   * closed.
   */
  IntBuffer values();

  /**
   * Returns when every upload called so far has read the values. Any thread may call, one at a time
   * and not beside an upload.
   */
  void awaitTakenSync();

  /** Frees the memory, after the uploads called so far; a second call does nothing. */
  @Override
  void close();

  /** Zeroed memory of the Java heap, which uploads read before they return. */
  static HostInts onHeap(int count) {
    return new HeapInts(IntBuffer.allocate(count));
  }
}
