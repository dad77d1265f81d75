package dev.sparrow.backend.cuda;

/**
 * A heap of device memory, addressed by bytes. Slow: a real one synchronises the device on each
 * call, which is why {@link CachingAllocator} stands before it.
 *
 * <p>Used by one thread at a time. Whoever allocates frees.
 */
interface DeviceMemory {
  /** What {@link #allocate} answers where the memory is exhausted; no block has this address. */
  long EXHAUSTED = 0;

  /** Address of a fresh block of so many bytes (at least 1), or {@link #EXHAUSTED}. */
  long allocate(long bytes);

  /** Gives back a block by the address that {@link #allocate} answered. */
  void free(long address);

  /** Bytes that nobody on the device holds now. */
  long freeBytes();

  /** Bytes of the device. */
  long totalBytes();
}
