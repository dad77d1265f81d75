package dev.sparrow.spark;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The CUDA driver with two GPUs that run the kernels on the host; see kernels/emulate/build.sh.
 * JVMs that have {@link #folder} on their library path take it for the machine's own.
 */
public final class EmulatedDriver {
  private static final Path FOLDER =
      Path.of("../kernels/target/emulated").toAbsolutePath().normalize();

  private EmulatedDriver() {}

  /** Where the library lies; skips the calling test where it was not built. */
  public static Path folder() {
    assumeTrue(
        Files.exists(FOLDER.resolve("libcuda.so.1")),
        "no emulated CUDA driver in " + FOLDER + "; build it with kernels/emulate/build.sh (g++)");
    return FOLDER;
  }

  /** Driver and libraries, in front of what this machine has of them. */
  static String libraryPath() {
    return folder() + File.pathSeparator + folder().resolve("libraries");
  }

  /** This JVM's class path behind the index of the emulated kernels. */
  public static String classPath() {
    return folder() + File.pathSeparator + System.getProperty("java.class.path");
  }
}
