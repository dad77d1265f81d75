package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.Shape;

/**
 * Device memory that ops of one family share in turn, in the order of the compute stream. It grows
 * to the largest request and never shrinks, so that a steady step allocates nothing.
 */
final class Scratch implements AutoCloseable {
  private final KernelQueue queue;
  private final String name;
  private long address = DeviceMemory.EXHAUSTED;
  private long bytes;

  Scratch(KernelQueue queue, String name) {
    this.queue = queue;
    this.name = name;
  }

  /** Address of at least so many bytes, valid until the next call; contents undefined. */
  long bytes(long wanted) {
    if (wanted > bytes) {
      queue.moved();
      close();
      address = queue.memory().allocate(wanted, name, Shape.of());
      bytes = wanted;
    }
    return address;
  }

  @Override
  public void close() {
    if (bytes > 0) {
      queue.memory().free(address);
      bytes = 0;
    }
  }
}
