package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.jna.NativeLibrary;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import jcuda.driver.CUresult;

/**
 * What this machine has, for tests that need it or need its absence: NVIDIA's driver, a GPU of its,
 * or instead of both {@link EmulatedDriver}.
 */
final class GpuPresence {
  private static final String DRIVER = "libcuda.so.1";

  private GpuPresence() {}

  /** Whether NVIDIA's driver is installed; the emulated one does not count. */
  static boolean realDriver() {
    try {
      return !EmulatedDriver.is(NativeLibrary.getInstance(DRIVER));
    } catch (UnsatisfiedLinkError e) {
      return false;
    }
  }

  /** Whether there is a GPU; any other reason why none opens is a failure, not an absence. */
  static boolean real() {
    if (!realDriver()) {
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

  /** Goes on where {@code CudaDevice.open("0")} works, with a GPU or emulated; skips otherwise. */
  static void assumeRealOrEmulated() {
    if (!real()) {
      assumeEmulated();
    }
  }

  /** Goes on with the emulated driver; skips where it is not to be had or would hide a GPU. */
  static void assumeEmulated() {
    assumeTrue(EmulatedDriver.available(), EmulatedDriver::whyNot);
    EmulatedDriver.load();
  }

  /** The kernels' index and fatbins for what {@link #assumeRealOrEmulated} found. */
  static URLClassLoader kernels() {
    if (real()) {
      return new URLClassLoader(new URL[0], GpuPresence.class.getClassLoader());
    }
    Path folder = EmulatedDriver.folder();
    try {
      return new URLClassLoader(new URL[] {folder.toUri().toURL()}, null);
    } catch (IOException e) {
      throw new IllegalStateException("kernels of " + folder, e);
    }
  }

  /** What a main class prints in a fresh JVM, which has loaded no driver yet. */
  static String outputOfJvm(Class<?> main, Map<String, String> environment)
      throws IOException, InterruptedException {
    Path java = Path.of(System.getProperty("java.home"), "bin", "java");
    String classPath = System.getProperty("java.class.path");
    ProcessBuilder builder = new ProcessBuilder(java.toString(), "-cp", classPath, main.getName());
    builder.environment().putAll(environment);
    Process process = builder.redirectError(ProcessBuilder.Redirect.INHERIT).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), () -> main.getName() + " printed " + output);
    return output;
  }
}
