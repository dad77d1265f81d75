package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.Shape;
import java.util.ArrayList;
import java.util.List;

/** What a sparse pattern holds in device memory, given back at close. */
final class PatternMemory implements AutoCloseable {
  private final KernelQueue queue;
  private final List<Long> addresses = new ArrayList<>();

  PatternMemory(KernelQueue queue) {
    this.queue = queue;
  }

  /** Address of the values in device memory. */
  long upload(String name, int[] values) {
    long address = allocate(name, values.length, Integer.BYTES);
    queue
        .staging()
        .upload(
            (out, first, count) -> out.asIntBuffer().put(values, first, count),
            values.length,
            Integer.BYTES,
            address);
    return address;
  }

  /** Address of the values in device memory. */
  long upload(String name, byte[] values) {
    long address = allocate(name, values.length, Byte.BYTES);
    queue
        .staging()
        .upload(
            (out, first, count) -> out.put(values, first, count),
            values.length,
            Byte.BYTES,
            address);
    return address;
  }

  private long allocate(String name, int length, int elementBytes) {
    long bytes = (long) length * elementBytes;
    long address = queue.memory().allocate(bytes, "pattern's " + name, Shape.of(length));
    addresses.add(address);
    return address;
  }

  /** What is queued before may still read it: the allocator hands memory on in stream order. */
  @Override
  public void close() {
    addresses.forEach(queue.memory()::free);
    addresses.clear();
  }
}
