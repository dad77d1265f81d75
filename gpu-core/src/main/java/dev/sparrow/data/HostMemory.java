package dev.sparrow.data;

import java.nio.IntBuffer;

/**
 * Where a source keeps the ids of its batches: on the heap, or in memory that a device fetches from
 * by itself. Whoever gives the memory frees it.
 */
@FunctionalInterface
public interface HostMemory {
  HostMemory HEAP = IntBuffer::allocate;

  /** A buffer of exactly so many ints; contents undefined. */
  IntBuffer ints(int count);
}
