package dev.sparrow.backend.cuda;

import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;

/**
 * A queue of device work. Everything called here is asynchronous and runs in the order of the
 * calls, unless its name ends in Sync; two streams are ordered by events alone. A copy's host
 * memory stays untouched until the copy is done. Used and closed by the context's thread.
 *
 * <p>Failures of the device surface at some later call; those of this class name the last launch of
 * the context, whichever stream it was on.
 */
final class Stream implements AutoCloseable {
  private static final int NON_BLOCKING = 1; // CU_STREAM_NON_BLOCKING: no order with stream 0

  private final String name;
  private final StreamHandle handle;
  private final LastLaunch last;
  private boolean closed;

  private Stream(CudaContext context, String name) {
    context.requireCurrent();
    this.name = name;
    this.last = context.lastLaunch();
    this.handle = Cuda.createStream(NON_BLOCKING);
  }

  /** The stream of all kernels. */
  static Stream compute(CudaContext context) {
    return new Stream(context, "compute");
  }

  /** A stream of what goes to the host or comes from it beside the kernels. */
  static Stream copy(CudaContext context) {
    return new Stream(context, "copy");
  }

  /** The stream of what ranks' GPUs exchange. */
  static Stream collective(CudaContext context) {
    return new Stream(context, "collective");
  }

  CUstream handle() {
    return handle;
  }

  /** The handle as libraries take it that JCuda does not bind. */
  long address() {
    return handle.value();
  }

  /** Names what a library queues here, for messages. */
  void note(Object call) {
    last.setCall(name, call);
  }

  /** Queues a kernel with the arguments as they are packed now; they may be rewritten at once. */
  void launch(Launch launch) {
    launch.prepare();
    last.set(name, launch);
    Cuda.check(
        "cuLaunchKernel",
        JCudaDriver.cuLaunchKernel(
            launch.kernel().handle(),
            launch.gridX(),
            launch.gridY(),
            launch.gridZ(),
            launch.blockX(),
            launch.blockY(),
            launch.blockZ(),
            launch.sharedBytes(),
            handle,
            launch.kernel().arguments().pointers(),
            null),
        launch);
  }

  /** Queues a captured graph. */
  void launch(CudaGraph graph) {
    last.setGraph(name, graph.name());
    check("cuGraphLaunch", JCudaDriver.cuGraphLaunch(graph.handle(), handle));
  }

  /** Queues a copy of {@code bytes} from pinned host memory. */
  void upload(PinnedBuffer source, long sourceOffset, long destination, long bytes) {
    source.requireRange(sourceOffset, bytes);
    check(
        "cuMemcpyHtoDAsync",
        JCudaDriver.cuMemcpyHtoDAsync(
            DeviceAddress.of(destination),
            new HostAddress(source.address() + sourceOffset),
            bytes,
            handle));
  }

  /** Queues a copy of {@code bytes} to pinned host memory. */
  void download(long source, PinnedBuffer destination, long destinationOffset, long bytes) {
    destination.requireRange(destinationOffset, bytes);
    check(
        "cuMemcpyDtoHAsync",
        JCudaDriver.cuMemcpyDtoHAsync(
            new HostAddress(destination.address() + destinationOffset),
            DeviceAddress.of(source),
            bytes,
            handle));
  }

  /** Queues a copy between two ranges of device memory that do not overlap. */
  void copy(long source, long destination, long bytes) {
    check(
        "cuMemcpyDtoDAsync",
        JCudaDriver.cuMemcpyDtoDAsync(
            DeviceAddress.of(destination), DeviceAddress.of(source), bytes, handle));
  }

  /** Queues a fill with zero bytes. */
  void zero(long destination, long bytes) {
    check(
        "cuMemsetD8Async",
        JCudaDriver.cuMemsetD8Async(DeviceAddress.of(destination), (byte) 0, bytes, handle));
  }

  /** Marks this point of the stream. */
  void record(Event event) {
    check("cuEventRecord", JCudaDriver.cuEventRecord(event.handle(), handle));
  }

  /** Lets what is queued from here on wait for the event as it was last recorded. */
  void await(Event event) {
    check("cuStreamWaitEvent", JCudaDriver.cuStreamWaitEvent(handle, event.handle(), 0));
  }

  /** Whether all that was queued is done. */
  boolean isDone() {
    int code = JCudaDriver.cuStreamQuery(handle);
    if (code == CUresult.CUDA_ERROR_NOT_READY) {
      return false;
    }
    check("cuStreamQuery", code);
    return true;
  }

  /** Waits for all that was queued, and throws what went wrong since the last wait. */
  void synchronizeSync() {
    check("cuStreamSynchronize", JCudaDriver.cuStreamSynchronize(handle));
  }

  /** Throws unless {@code code} is success, naming the context's last launch. */
  void check(String call, int code) {
    Cuda.check(call, code, last);
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      Cuda.destroy(handle);
    }
  }
}
