package dev.sparrow.backend.cuda;

import jcuda.driver.CUfunction;
import jcuda.driver.CUfunction_attribute;

/**
 * A loaded kernel with its argument block and what the compiler said of it. Owned by its {@link
 * KernelLibrary} and dead when that closes. One thread at a time.
 */
final class Kernel {
  /** What a block may use without asking, static and dynamic together. */
  private static final int SHARED_BYTES_UNASKED = 48 << 10;

  private final KernelEntry entry;
  private final CUfunction handle;
  private final int mostSharedBytes;
  private final ArgumentBlock arguments = new ArgumentBlock();
  private int allowedDynamicBytes;

  /**
   * @param mostSharedBytes the device's bound on a block's static and dynamic shared memory
   */
  Kernel(KernelEntry entry, CUfunction handle, int mostSharedBytes) {
    this.entry = entry;
    this.handle = handle;
    this.mostSharedBytes = mostSharedBytes;
    this.allowedDynamicBytes = SHARED_BYTES_UNASKED - entry.sharedBytes();
  }

  /** A launch to be given its grid and block; several of one kernel share its argument block. */
  Launch launch() {
    return new Launch(this);
  }

  String name() {
    return entry.name();
  }

  KernelEntry entry() {
    return entry;
  }

  CUfunction handle() {
    return handle;
  }

  ArgumentBlock arguments() {
    return arguments;
  }

  /** Dynamic shared bytes that are left beside the static ones. */
  int mostDynamicBytes() {
    return mostSharedBytes - entry.sharedBytes();
  }

  /** Asks the driver for a larger share once, where one is needed. */
  void allowDynamicShared(int dynamicBytes) {
    if (dynamicBytes > allowedDynamicBytes) {
      Cuda.setAttribute(
          handle,
          CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
          dynamicBytes);
      allowedDynamicBytes = dynamicBytes;
    }
  }
}
