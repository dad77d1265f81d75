package dev.sparrow.backend.cuda;

import dev.sparrow.backend.HostExchange;
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
    copies.await(marked);
    staging.downloadSync(source, host, hostOffset);
  }

  @Override
  public void giveSync(float[] host, int hostOffset, Tensor destination) {
    attach();
    staging.upload(host, hostOffset, destination);
    copies.synchronizeSync();
  }

  private void attach() {
    if (attached != Thread.currentThread()) {
      context.attach();
      attached = Thread.currentThread();
    }
  }

  @Override
  public void close() {
    staging.close();
    marked.close();
    copies.close();
  }
}
