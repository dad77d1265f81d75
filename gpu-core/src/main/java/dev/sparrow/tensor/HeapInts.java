package dev.sparrow.tensor;

import java.nio.IntBuffer;

/** Nothing to wait for, nothing to free. */
record HeapInts(IntBuffer values) implements HostInts {
  @Override
  public void awaitTakenSync() {
    // Uploads have read them when they return.
  }

  @Override
  public void close() {
    // The heap's.
  }
}
