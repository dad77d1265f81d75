package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sparrow.backend.CudaSettings;
import dev.sparrow.backend.CudaSettings.CublasUse;
import dev.sparrow.backend.CudaSettings.NcclUse;
import dev.sparrow.backend.CudaSettings.SparseUse;
import java.io.UncheckedIOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import org.opentest4j.TestAbortedException;

/**
 * The GPU that tests run on: a real one where there is one, else the emulated one, else the test is
 * skipped with the reason.
 */
public final class TestGpu {
  /** Of a rank on the host. */
  private static final int THREADS = 2;

  private static final int NO_GPU = 2;

  private TestGpu() {}

  /** Whether the GPU is emulated, which makes all of it about a thousand times slower. */
  public static boolean emulated() {
    return !GpuPresence.real();
  }

  /** The CUDA backend on GPU 0, with this project's kernels for all that they can do. */
  public static CudaBackend open() {
    return open(0);
  }

  /** The same on one of the GPUs; there are two emulated ones. */
  public static CudaBackend open(int ordinal) {
    return open(ordinal, CudaSettings.OWN);
  }

  /** The CUDA backend on one of the GPUs, with what the settings add. */
  public static CudaBackend open(int ordinal, CudaSettings settings) {
    String address = Integer.toString(ordinal);
    if (GpuPresence.real()) {
      return CudaBackend.open(address, settings, THREADS);
    }
    assumeTrue(EmulatedDriver.available(), EmulatedDriver::whyNot);
    EmulatedDriver.load();
    return new CudaBackend(address, settings, THREADS, emulatedKernels());
  }

  /** The CUDA backend on GPU 0 with dense products by cuBLASLt, the real one or its stand-in. */
  public static CudaBackend openWithCublasLt() {
    if (GpuPresence.real()) {
      assumeTrue(
          CublasLt.NAMES.stream().anyMatch(name -> CudaLibraries.load(name) != null),
          "a GPU is here, but no cuBLASLt; put its folder on LD_LIBRARY_PATH");
    } else {
      StandIns.assumeCublasLt();
    }
    return open(0, new CudaSettings(CublasUse.ON, true, NcclUse.OFF));
  }

  /** The CUDA backend on GPU 0 with sparse kernels at any density. */
  public static CudaBackend openWithSparseKernels() {
    return open(0, new CudaSettings(CublasUse.OFF, true, NcclUse.OFF, SparseUse.KERNELS));
  }

  /** Goes on where {@link #openJoined} works for two ranks. */
  public static void assumeTwoJoined() {
    if (GpuPresence.real()) {
      assumeTrue(Cuda.deviceCount() > 1, "one GPU alone is here; NCCL wants one for each rank");
      assumeTrue(CudaLibraries.load(Nccl.NAME) != null, "GPUs are here, but no NCCL");
    } else {
      StandIns.assumeNccl();
    }
  }

  /** The CUDA backend on a GPU that other ranks' reach by NCCL. */
  public static CudaBackend openJoined(int ordinal) {
    return open(ordinal, new CudaSettings(CublasUse.OFF, true, NcclUse.ON));
  }

  /**
   * With what is found of NVIDIA's libraries, for a program: without a GPU, one line of cause and
   * exit code 2.
   *
   * @param program leads the line
   */
  public static CudaBackend openOrExit(String program) {
    try {
      return open(0, CudaSettings.DEFAULT);
    } catch (TestAbortedException | CudaUnavailableException none) {
      String cause = none.getMessage().replaceFirst("^Assumption failed: ", "");
      System.err.println(program + ": no GPU to run on: " + cause);
      System.exit(NO_GPU);
      throw none;
    }
  }

  /** An index of the kernels that the emulated driver holds, in place of the jar of fatbins. */
  static ClassLoader emulatedKernels() {
    try {
      return new URLClassLoader(new URL[] {EmulatedDriver.folder().toUri().toURL()}, null);
    } catch (MalformedURLException e) {
      throw new UncheckedIOException(e);
    }
  }
}
