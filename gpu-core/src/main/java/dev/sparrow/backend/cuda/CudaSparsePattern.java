package dev.sparrow.backend.cuda;

import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.Shape;

/** A pattern's columns and live groups in device memory, given back at close. */
final class CudaSparsePattern implements SparsePattern {
  private final KernelQueue queue;
  private final UniformPattern pattern;
  private final long indices;
  private final long liveGroups;
  private boolean closed;

  CudaSparsePattern(KernelQueue queue, UniformPattern pattern) {
    this.queue = queue;
    this.pattern = pattern;
    this.indices = upload("pattern's columns", pattern.indices());
    try {
      this.liveGroups = upload("pattern's groups", pattern.liveGroupNumbers());
    } catch (RuntimeException | Error failed) {
      queue.memory().free(indices);
      throw failed;
    }
  }

  private long upload(String name, int[] values) {
    long bytes = (long) values.length * Integer.BYTES;
    long address = queue.memory().allocate(bytes, name, Shape.of(values.length));
    queue
        .staging()
        .upload(
            (out, first, count) -> out.asIntBuffer().put(values, first, count),
            values.length,
            Integer.BYTES,
            address);
    return address;
  }

  @Override
  public UniformPattern pattern() {
    return pattern;
  }

  /** Device address of (liveGroups, fanIn) I32. */
  long indices() {
    return indices;
  }

  /** Device address of (liveGroups) I32. */
  long liveGroups() {
    return liveGroups;
  }

  /** What is queued before may still read it: the allocator hands memory on in stream order. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      queue.memory().free(indices);
      queue.memory().free(liveGroups);
    }
  }
}
