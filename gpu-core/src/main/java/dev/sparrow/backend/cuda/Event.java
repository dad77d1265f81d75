package dev.sparrow.backend.cuda;

import jcuda.driver.CUevent;

/**
 * A point in a stream's order, recorded by {@link Stream#record}. The caller closes it, on the
 * context's thread.
 */
final class Event implements AutoCloseable {
  private static final int TIMING = 0;
  private static final int BLOCKING = 1; // CU_EVENT_BLOCKING_SYNC
  private static final int NO_TIMING = 2; // CU_EVENT_DISABLE_TIMING: cheaper to wait for

  private final CUevent handle;
  private boolean closed;

  private Event(int flags) {
    this.handle = Cuda.createEvent(flags);
  }

  /** An event for order alone. */
  static Event ordering() {
    return new Event(NO_TIMING);
  }

  /** An event for order, whose waiting threads sleep; the others' spin. */
  static Event blocking() {
    return new Event(BLOCKING | NO_TIMING);
  }

  /** An event for {@link #millisSince}. */
  static Event timing() {
    return new Event(TIMING);
  }

  CUevent handle() {
    return handle;
  }

  /** Milliseconds of the device from {@code start} to this; both timing, recorded and reached. */
  float millisSince(Event start) {
    return Cuda.elapsedMillis(start.handle, handle);
  }

  /** Waits until the device has passed the event as it was last recorded; any thread may. */
  void synchronizeSync() {
    Cuda.synchronize(handle);
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      Cuda.destroy(handle);
    }
  }
}
