package dev.sparrow.backend.cuda;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/**
 * The NVIDIA driver's library on this machine, found by name: it comes with the driver, not with a
 * toolkit. Loaded once in a JVM; every thread may use it.
 */
final class CudaDriver {
  private static final String LIBRARY = "libcuda.so.1";
  private static final int OLDEST_VERSION = 12000;

  private final NativeLibrary library;

  private CudaDriver(NativeLibrary library) {
    this.library = library;
  }

  /**
   * Loads the library, JCuda's binding to it, and initialises the driver.
   *
   * @param asked what the user wanted, which leads the message
   * @throws CudaUnavailableException where any of that fails
   */
  static CudaDriver load(String asked) {
    requireSupportedPlatform(asked);
    CudaDriver driver = new CudaDriver(find(asked));
    bind(asked);
    initialise(asked);
    return driver;
  }

  /**
   * A function that JCuda does not bind.
   *
   * @throws CudaUnavailableException where the driver is too old to have it
   */
  Function function(String name) {
    try {
      return library.getFunction(name);
    } catch (UnsatisfiedLinkError e) {
      throw new CudaUnavailableException(
          name,
          "the NVIDIA driver's " + LIBRARY + " does not have it",
          "install a driver for CUDA 12.0 or later",
          e);
    }
  }

  private static void requireSupportedPlatform(String asked) {
    String system = System.getProperty("os.name") + " " + System.getProperty("os.arch");
    if (!system.equals("Linux amd64")) {
      throw new CudaUnavailableException(
          asked,
          "the CUDA backend runs on Linux amd64, this is " + system,
          "run this rank elsewhere, or on the CPU with train.backend = cpu");
    }
  }

  private static NativeLibrary find(String asked) {
    try {
      return NativeLibrary.getInstance(LIBRARY);
    } catch (UnsatisfiedLinkError e) {
      throw new CudaUnavailableException(
          asked,
          "no NVIDIA driver here (" + LIBRARY + " not found)",
          "install the driver, give the container the GPU, or choose the CPU with"
              + " train.backend = cpu",
          e);
    }
  }

  private static void bind(String asked) {
    try {
      JCudaDriver.setExceptionsEnabled(false);
    } catch (LinkageError e) {
      throw new CudaUnavailableException(
          asked,
          "JCuda's native library does not load (" + firstLine(e) + ")",
          "let the JVM write and map files in java.io.tmpdir ("
              + System.getProperty("java.io.tmpdir")
              + ")",
          e);
    }
  }

  private static void initialise(String asked) {
    int code = JCudaDriver.cuInit(0);
    if (code == CUresult.CUDA_ERROR_NO_DEVICE) {
      throw new CudaUnavailableException(
          asked,
          "the driver sees no GPU",
          "check nvidia-smi, CUDA_VISIBLE_DEVICES and the container's GPU request",
          new CudaException("cuInit", code, ""));
    }
    if (code != CUresult.CUDA_SUCCESS) {
      throw new CudaUnavailableException(
          asked,
          "the driver does not start (cuInit: " + code + " " + CUresult.stringFor(code) + ")",
          "check nvidia-smi on this machine");
    }
    int version = Cuda.driverVersion();
    if (version < OLDEST_VERSION) {
      throw new CudaUnavailableException(
          asked,
          "the driver serves CUDA " + version / 1000 + "." + version % 1000 / 10,
          "install a driver for CUDA 12.0 or later");
    }
  }

  private static String firstLine(Throwable e) {
    return String.valueOf(e.getMessage()).lines().findFirst().orElse("");
  }
}
