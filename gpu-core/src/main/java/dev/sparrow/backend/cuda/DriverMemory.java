package dev.sparrow.backend.cuda;

import jcuda.driver.CUresult;

/** The current context's memory, through the driver. Each call may wait for the device. */
final class DriverMemory implements DeviceMemory {
  private final CudaContext context;
  private final long[] free = new long[1];
  private final long[] total = new long[1];

  DriverMemory(CudaContext context) {
    this.context = context;
  }

  @Override
  public long allocate(long bytes) {
    context.requireCurrent();
    DeviceAddress address = new DeviceAddress();
    int code = Cuda.tryAllocate(address, bytes);
    if (code == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      return EXHAUSTED;
    }
    if (code != CUresult.CUDA_SUCCESS) {
      throw new CudaException("cuMemAlloc", code, "asked " + bytes + " bytes");
    }
    return address.value();
  }

  @Override
  public void free(long address) {
    context.requireCurrent();
    Cuda.free(DeviceAddress.of(address));
  }

  @Override
  public long freeBytes() {
    Cuda.memory(free, total);
    return free[0];
  }

  @Override
  public long totalBytes() {
    Cuda.memory(free, total);
    return total[0];
  }
}
