package dev.sparrow.backend.cuda;

import dev.sparrow.backend.HostExchange;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/**
 * Copies on a stream of its own, through pinned memory of its own, so that gradients travel while
 * the compute stream goes on.
 */
final class CudaExchange implements HostExchange {
  private final CudaContext context;
  private final Stream compute;
  private final Stream copies;
  private final Staging staging;
  private final Event marked = Event.ordering();
  private Thread attached;

  CudaExchange(CudaContext context, Stream compute) {
    this.context = context;
    this.compute = compute;
    this.copies = Stream.copy(context);
    this.staging = new Staging(copies);
  }

  @Override
  public void mark() {
    compute.record(marked);
  }

  @Override
  public void takeSync(Tensor source, float[] host, int hostOffset) {
    attach();
    DType type = requireFloats(source);
    copies.await(marked);
    staging.downloadSync(
        DeviceStorage.address(source),
        Math.toIntExact(source.size()),
        type.bytes(),
        (in, first, count) -> HostNumbers.take(type, in, host, hostOffset + first, count));
  }

  @Override
  public void giveSync(float[] host, int hostOffset, Tensor destination) {
    attach();
    DType type = requireFloats(destination);
    staging.upload(
        (out, first, count) -> HostNumbers.put(type, host, hostOffset + first, count, out),
        Math.toIntExact(destination.size()),
        type.bytes(),
        DeviceStorage.address(destination));
    copies.synchronizeSync();
  }

  private void attach() {
    if (attached != Thread.currentThread()) {
      context.attach();
      attached = Thread.currentThread();
    }
  }

  private static DType requireFloats(Tensor tensor) {
    if (tensor.dtype() != DType.F32 && tensor.dtype() != DType.BF16) {
      throw new IllegalArgumentException("exchange: expected F32 or BF16, got " + tensor);
    }
    return tensor.dtype();
  }

  @Override
  public void close() {
    staging.close();
    marked.close();
    copies.close();
  }
}
