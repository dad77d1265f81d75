package dev.sparrow.backend.cuda;

import java.util.ArrayList;
import java.util.List;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;

/**
 * One GPU and what kernels choose by. Immutable; any thread may read it. Holds no memory and no
 * context, so there is nothing to close.
 */
final class CudaDevice {
  private final CudaDriver driver;
  private final CUdevice handle;
  private final String name;
  private final String uuid;
  private final ComputeCapability capability;
  private final int multiprocessors;
  private final int sharedBytesPerBlock;
  private final long memoryBytes;

  private CudaDevice(CudaDriver driver, CUdevice handle) {
    this.driver = driver;
    this.handle = handle;
    this.name = Cuda.name(handle);
    this.uuid = GpuAddress.words(Cuda.uuid(handle));
    this.capability =
        new ComputeCapability(
            attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
            attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR));
    this.multiprocessors = attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
    this.sharedBytesPerBlock =
        attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
    this.memoryBytes = Cuda.totalBytes(handle);
  }

  /**
   * The GPU that Spark assigned.
   *
   * @param address an ordinal or a UUID, see {@link GpuAddress}
   * @throws CudaUnavailableException without a driver, without that GPU, or below sm_80
   */
  static CudaDevice open(String address) {
    GpuAddress gpu = new GpuAddress(address);
    CudaDriver driver = CudaDriver.load(gpu.toString());
    List<byte[]> uuids = new ArrayList<>();
    int count = Cuda.deviceCount();
    for (int i = 0; i < count; i++) {
      uuids.add(Cuda.uuid(Cuda.device(i)));
    }
    CudaDevice device = new CudaDevice(driver, Cuda.device(gpu.ordinalAmong(uuids)));
    device.capability.requireSupported(gpu + " (" + device.name + ")");
    return device;
  }

  CudaDriver driver() {
    return driver;
  }

  CUdevice handle() {
    return handle;
  }

  String name() {
    return name;
  }

  /** As nvidia-smi writes it. */
  String uuid() {
    return uuid;
  }

  ComputeCapability capability() {
    return capability;
  }

  int multiprocessors() {
    return multiprocessors;
  }

  /** Most shared memory that a kernel can ask for, static and dynamic together. */
  int sharedBytesPerBlock() {
    return sharedBytesPerBlock;
  }

  long memoryBytes() {
    return memoryBytes;
  }

  /** Such as {@code NVIDIA H200 (sm_90, 132 multiprocessors, 139.8 GiB)}. */
  @Override
  public String toString() {
    return name
        + " ("
        + capability
        + ", "
        + multiprocessors
        + " multiprocessors, "
        + Bytes.words(memoryBytes)
        + ")";
  }

  private int attribute(int attribute) {
    return Cuda.attribute(handle, attribute);
  }
}
