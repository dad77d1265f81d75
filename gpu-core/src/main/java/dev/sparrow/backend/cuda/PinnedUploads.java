package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.HostInts;
import dev.sparrow.tensor.Shape;
import java.nio.IntBuffer;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;

/**
 * Pinned ints and their way to tensors: over the bus on a stream of its own, while the compute
 * stream is busy with the batch before. The host copies nothing.
 *
 * <p>Each of the pinned buffers has a landing of its own on the device. An upload is a step on
 * either stream:
 *
 * <pre>
 *   copy stream     await(read)    pinned -> landing   record(landed)
 *   compute stream  await(landed)  landing -> tensor   record(read)
 * </pre>
 *
 * <p>So the tensor is written in the order of the compute stream, as by any op: behind whatever
 * reads its old values, be it a kernel or a graph, and nobody has to say when that is through. A
 * copy straight into the tensor would have to wait for the end of the pass that reads it, beside
 * which it is meant to run. The step on the device costs a few hundredths of the one over the bus.
 *
 * <p>What each event is for:
 *
 * <ul>
 *   <li>landed, on the compute stream: the landing is read once its values are there.
 *   <li>read, on the copy stream: the landing is written once the values before were read; at
 *       first, once the ops are through that had its memory before it was freed and allocated here.
 *   <li>landed, on the host: pinned memory is written, or freed, once the copy has read it.
 * </ul>
 *
 * <p>The last waits for no op while the landing is free, that is once the same buffer's upload
 * before was read. With n buffers in turn the host may so be 2n batches ahead of the compute
 * stream: n that have landed, and n that are written behind them.
 */
final class PinnedUploads implements AutoCloseable {
  private final CudaContext context;
  private final CachingAllocator memory;
  private final Stream compute;
  private final Stream copies;
  private final Set<PinnedInts> open = Collections.newSetFromMap(new IdentityHashMap<>());

  /**
   * @param compute the stream of all users of {@code memory}
   */
  PinnedUploads(CudaContext context, CachingAllocator memory, Stream compute) {
    this.context = context;
    this.memory = memory;
    this.compute = compute;
    this.copies = Stream.copy(context);
  }

  /** Room for at least one int, here and on the device; contents undefined. */
  HostInts allocate(int count) {
    PinnedInts ints = new PinnedInts(count);
    open.add(ints);
    return ints;
  }

  /** Whether {@link #allocate} returned them and they are open. */
  boolean gave(HostInts host) {
    return host instanceof PinnedInts ints && open.contains(ints);
  }

  /**
   * Queues the way of the first bytes to device memory that is the compute stream's.
   *
   * @param host {@link #gave} knows them
   */
  void upload(HostInts host, long destination, long bytes) {
    if (bytes > 0) {
      ((PinnedInts) host).upload(destination, bytes);
    }
  }

  private final class PinnedInts implements HostInts {
    private final Opened parts = new Opened();
    private final PinnedBuffer pinned;
    private final IntBuffer values;
    private final long landing;
    private final Event landed;
    private final Event read;

    PinnedInts(int count) {
      long bytes = (long) count * Integer.BYTES;
      try {
        pinned = parts.add(PinnedBuffer.allocate(bytes));
        values = pinned.buffer().asIntBuffer();
        landing = memory.allocate(bytes, "uploaded ints", Shape.of(count));
        parts.add(() -> memory.free(landing));
        landed = parts.add(Event.blocking());
        read = parts.add(Event.ordering());
        compute.record(read);
        parts.add(landed::synchronizeSync); // closed first
      } catch (RuntimeException | Error failed) {
        parts.closeAfter(failed);
        throw failed;
      }
    }

    void upload(long destination, long bytes) {
      copies.await(read);
      copies.upload(pinned, 0, landing, bytes);
      copies.record(landed);
      compute.await(landed);
      compute.copy(landing, destination, bytes);
      compute.record(read);
    }

    @Override
    public IntBuffer values() {
      pinned.requireOpen();
      return values;
    }

    @Override
    public void awaitTakenSync() {
      pinned.requireOpen();
      context.attach(); // for a thread that fills batches and calls nothing else
      landed.synchronizeSync();
    }

    @Override
    public void close() {
      if (open.contains(this)) {
        context.requireCurrent();
        open.remove(this);
        parts.close();
      }
    }
  }

  /** Frees what is still open, once its copies are through. */
  @Override
  public void close() {
    Opened all = new Opened();
    all.add(copies);
    List.copyOf(open).forEach(all::add);
    all.close();
  }
}
