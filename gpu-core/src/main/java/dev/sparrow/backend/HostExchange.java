package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/**
 * Moves a device's float tensors to host arrays and back beside the ops, for another thread: ranks
 * sum their gradients on the host while backward goes on.
 *
 * <p>{@link #mark} belongs to the backend's thread, {@link #takeSync} and {@link #giveSync} to one
 * other thread at a time. Opened by {@link Backend#exchange}; closed by the backend's thread once
 * the other is done.
 */
public interface HostExchange extends AutoCloseable {
  /** All ops called so far come before whatever is taken from now on. */
  void mark();

  /** The tensor's values as of the last mark or later, once they are there. */
  void takeSync(Tensor source, float[] host, int hostOffset);

  /** New values for the tensor; returns when the device has them, so that later ops see them. */
  void giveSync(float[] host, int hostOffset, Tensor destination);

  @Override
  void close();
}
