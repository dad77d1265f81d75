package dev.sparrow.backend.cuda;

import com.sun.jna.NativeLibrary;
import jcuda.driver.CUresult;

/** What this machine has, for tests that need it or need its absence. */
final class GpuPresence {
  private GpuPresence() {}

  static boolean driver() {
    try {
      NativeLibrary.getInstance("libcuda.so.1");
      return true;
    } catch (UnsatisfiedLinkError e) {
      return false;
    }
  }

  /** Whether there is a GPU; any other reason why none opens is a failure, not an absence. */
  static boolean gpu() {
    if (!driver()) {
      return false;
    }
    try {
      CudaDriver.load("a test");
      return Cuda.deviceCount() > 0;
    } catch (CudaUnavailableException e) {
      if (e.getCause() instanceof CudaException cause
          && cause.code() == CUresult.CUDA_ERROR_NO_DEVICE) {
        return false;
      }
      throw e;
    }
  }
}
