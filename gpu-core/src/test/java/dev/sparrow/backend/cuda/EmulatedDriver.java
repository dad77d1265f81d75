package dev.sparrow.backend.cuda;

import com.sun.jna.NativeLibrary;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The CUDA driver that kernels/emulate builds, so that the CUDA backend runs in tests on a machine
 * without a GPU. It calls itself libcuda.so.1: once it is loaded, whoever asks for the driver by
 * that name gets it. Never used where NVIDIA's driver is.
 *
 * <pre>
 *   assumeTrue(EmulatedDriver.available(), EmulatedDriver::whyNot);
 *   EmulatedDriver.load();
 *   CudaDevice.open("0") ...
 * </pre>
 */
public final class EmulatedDriver {
  /** A path of the library, before LD_LIBRARY_PATH and ../kernels/target/emulated. */
  private static final String PATH_PROPERTY = "sparrow.emulated.driver";

  private static final String LIBRARY = "libcuda.so.1";
  private static final String SET = "sparrowEmulatedSet";
  private static final String LAST_REPORT = "sparrowEmulatedLastReport";
  private static boolean loaded;

  private EmulatedDriver() {}

  /** Whether {@link #load} gives a driver: it was built, and NVIDIA's is not here. */
  public static boolean available() {
    return Files.exists(path()) && !GpuPresence.realDriver();
  }

  /** Why a test that needs it is skipped, with the cure. */
  public static String whyNot() {
    return Files.exists(path())
        ? "NVIDIA's driver is here, but no GPU that it could use; the emulated one would hide it"
        : "neither a GPU nor the emulated driver "
            + path()
            + " is here; install g++ and run kernels/emulate/build.sh";
  }

  /** Loads it, if it is not loaded; throws where it is not {@link #available}. */
  public static synchronized void load() {
    if (loaded) {
      return;
    }
    if (!available()) {
      throw new IllegalStateException(whyNot());
    }
    System.load(path().toString());
    loaded = true;
  }

  /** Whether this libcuda is the emulated one. */
  static boolean is(NativeLibrary libcuda) {
    try {
      return libcuda.getFunction(SET) != null;
    } catch (UnsatisfiedLinkError real) {
      return false;
    }
  }

  /**
   * The seed of contexts opened from now on, which decides what runs first; answers the old one.
   */
  static long seed(long seed) {
    return set("seed", seed);
  }

  /** The memory of devices whose context is opened from now on; answers what it was. */
  static long memoryMib(long mib) {
    return set("memoryMib", mib);
  }

  /** Whether the driver keeps its reports from stderr; answers whether it did. */
  static boolean quiet(boolean quiet) {
    return set("quiet", quiet ? 1 : 0) == 1;
  }

  /** The last line that the driver reported. */
  static String lastReport() {
    byte[] text = new byte[4096];
    library()
        .getFunction(LAST_REPORT)
        .invoke(Void.class, new Object[] {text, Integer.valueOf(text.length)});
    int end = 0;
    while (text[end] != 0) {
      end++;
    }
    return new String(text, 0, end, StandardCharsets.UTF_8);
  }

  /** Where the library lies, with an index of its kernels as the jar of fatbins has one. */
  static Path folder() {
    return path().getParent();
  }

  private static long set(String name, long value) {
    return library().getFunction(SET).invokeLong(new Object[] {name, value});
  }

  private static NativeLibrary library() {
    return NativeLibrary.getInstance(LIBRARY);
  }

  private static Path path() {
    String given = System.getProperty(PATH_PROPERTY);
    return (given != null ? Path.of(given) : onLibraryPath().orElseGet(EmulatedDriver::built))
        .toAbsolutePath()
        .normalize();
  }

  /** Where this JVM finds it by name; its kernels' index tells it from NVIDIA's. */
  private static Optional<Path> onLibraryPath() {
    String folders = System.getenv().getOrDefault("LD_LIBRARY_PATH", "");
    return Stream.of(folders.split(File.pathSeparator))
        .map(Path::of)
        .filter(folder -> Files.exists(folder.resolve("dev/sparrow/kernels/index.json")))
        .map(folder -> folder.resolve(LIBRARY))
        .filter(Files::exists)
        .findFirst();
  }

  private static Path built() {
    return Path.of(
        System.getProperty("basedir", ""), "..", "kernels", "target", "emulated", LIBRARY);
  }
}
