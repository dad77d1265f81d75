package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sparrow.backend.Backend;
import java.io.UncheckedIOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;

/**
 * The GPU that tests run on: a real one where there is one, else the emulated one, else the test is
 * skipped with the reason.
 */
public final class TestGpu {
  private TestGpu() {}

  /** Whether the GPU is emulated, which makes all of it about a thousand times slower. */
  public static boolean emulated() {
    return !GpuPresence.real();
  }

  /** The CUDA backend on GPU 0. */
  public static Backend open() {
    return open(0);
  }

  /** The CUDA backend on one of the GPUs; there are two emulated ones. */
  public static Backend open(int ordinal) {
    if (GpuPresence.real()) {
      return CudaBackend.open(Integer.toString(ordinal));
    }
    assumeTrue(EmulatedDriver.available(), EmulatedDriver::whyNot);
    EmulatedDriver.load();
    return new CudaBackend(Integer.toString(ordinal), emulatedKernels());
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
