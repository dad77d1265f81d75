package dev.sparrow.backend.cuda;

import jcuda.driver.CUcontext;

/**
 * The device's primary context, current on the thread that opened it until that thread closes it.
 * The primary one, so that libraries in this process (cuBLAS, NCCL) share it. All streams, events,
 * memory and kernels opened under it are closed before it, on the same thread.
 */
final class CudaContext implements AutoCloseable {
  private final CudaDevice device;
  private final CUcontext handle;
  private final Thread owner = Thread.currentThread();
  private final LastLaunch lastLaunch = new LastLaunch();
  private boolean closed;

  private CudaContext(CudaDevice device, CUcontext handle) {
    this.device = device;
    this.handle = handle;
  }

  /** Retains the primary context and makes it current on this thread. */
  static CudaContext open(CudaDevice device) {
    CUcontext handle = Cuda.retainPrimary(device.handle());
    try {
      Cuda.pushCurrent(handle);
    } catch (CudaException e) {
      Cuda.releasePrimary(device.handle());
      throw e;
    }
    return new CudaContext(device, handle);
  }

  CudaDevice device() {
    return device;
  }

  /** What was queued last, on any of the context's streams. */
  LastLaunch lastLaunch() {
    return lastLaunch;
  }

  /** Makes the context current on the calling thread too, for copies beside the owner's work. */
  void attach() {
    Cuda.setCurrent(handle);
  }

  /** Throws on any thread but the one that opened the context, and after closing. */
  void requireCurrent() {
    requireOwner(owner);
    if (closed) {
      throw new IllegalStateException("CUDA context of " + device.name() + ": closed");
    }
  }

  /** Throws unless this is {@code owner}. */
  static void requireOwner(Thread owner) {
    if (Thread.currentThread() != owner) {
      throw new IllegalStateException(
          "CUDA context: expected thread "
              + owner.getName()
              + ", which opened it, got "
              + Thread.currentThread().getName()
              + "; one thread opens, uses and closes a context");
    }
  }

  /** Takes the context off this thread and releases it. */
  @Override
  public void close() {
    requireOwner(owner);
    if (closed) {
      return;
    }
    closed = true;
    try {
      Cuda.popCurrent();
    } finally {
      Cuda.releasePrimary(device.handle());
    }
  }
}
