package dev.sparrow.backend.cuda;

import jcuda.driver.CUdeviceptr;

/** A pointer to device memory that tells its address. Owns nothing. */
final class DeviceAddress extends CUdeviceptr {
  /** Null, until a driver call fills it. */
  DeviceAddress() {}

  private DeviceAddress(CUdeviceptr base, long address) {
    super(base, address);
  }

  static DeviceAddress of(long address) {
    return new DeviceAddress(new CUdeviceptr(), address);
  }

  long value() {
    return getNativePointer() + getByteOffset();
  }
}
