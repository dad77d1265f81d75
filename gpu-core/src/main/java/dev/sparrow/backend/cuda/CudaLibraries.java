package dev.sparrow.backend.cuda;

import com.sun.jna.NativeLibrary;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * NVIDIA's libraries that may or may not be installed, found by name where the loader looks:
 * LD_LIBRARY_PATH, ld.so.cache, and what this process has loaded. No version is linked against, so
 * that machines with CUDA 12 and with CUDA 13 both serve.
 */
final class CudaLibraries {
  private static final Logger LOG = LoggerFactory.getLogger(CudaLibraries.class);
  private static final Set<String> TOLD = ConcurrentHashMap.newKeySet();

  private CudaLibraries() {}

  /** The library of that name; null where the loader has none. */
  static NativeLibrary load(String name) {
    try {
      return NativeLibrary.getInstance(name);
    } catch (UnsatisfiedLinkError missing) {
      return null;
    }
  }

  /**
   * What a library gives, or empty where it cannot be had, warned of once in a JVM.
   *
   * @param instead what happens then, in words
   */
  static <T> Optional<T> ifFound(Supplier<T> library, String instead) {
    try {
      return Optional.of(library.get());
    } catch (CudaUnavailableException absent) {
      if (TOLD.add(absent.getMessage())) {
        LOG.warn("{}; {}", absent.getMessage(), instead);
      }
      return Optional.empty();
    }
  }
}
