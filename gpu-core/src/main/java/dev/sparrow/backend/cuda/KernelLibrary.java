package dev.sparrow.backend.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.Map;
import jcuda.driver.CUmodule;

/**
 * The kernels of the class path, loaded into one context. A fatbin is loaded when the first of its
 * kernels is asked for and unloaded at closing; which is when all {@link Kernel}s of this library
 * die. Asked at construction of ops, not in a step. Used by the context's thread.
 */
final class KernelLibrary implements AutoCloseable {
  private static final String FOLDER = "dev/sparrow/kernels/";

  private final CudaContext context;
  private final ClassLoader loader;
  private final KernelIndex index;
  private final Map<String, CUmodule> modules = new HashMap<>();
  private final Map<String, Kernel> kernels = new HashMap<>();

  private KernelLibrary(CudaContext context, ClassLoader loader, KernelIndex index) {
    this.context = context;
    this.loader = loader;
    this.index = index;
  }

  /**
   * The library that this build carries.
   *
   * @throws CudaUnavailableException where the build made no kernels
   */
  static KernelLibrary open(CudaContext context) {
    return open(context, KernelLibrary.class.getClassLoader());
  }

  /** The library on a class path. */
  static KernelLibrary open(CudaContext context, ClassLoader loader) {
    context.requireCurrent();
    return new KernelLibrary(context, loader, index(loader));
  }

  /** The index on a class path; its errors are those of {@link KernelIndex#read}. */
  static KernelIndex index(ClassLoader loader) {
    try (InputStream json = loader.getResourceAsStream(FOLDER + "index.json")) {
      return KernelIndex.read(json);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Whether the device runs a kernel of that name. */
  boolean has(String name) {
    return index.has(name, context.device().capability());
  }

  /** The kernel of that name, always the same object; its argument block comes with it. */
  Kernel kernel(String name) {
    context.requireCurrent();
    return kernels.computeIfAbsent(name, this::load);
  }

  private Kernel load(String name) {
    KernelEntry entry = index.entry(name, context.device().capability());
    CUmodule module = modules.get(entry.file());
    if (module == null) {
      module = Cuda.loadModule(fatbin(loader, entry));
      modules.put(entry.file(), module);
    }
    return new Kernel(entry, Cuda.function(module, name), context.device().sharedBytesPerBlock());
  }

  /** The bytes of the entry's fatbin. */
  static byte[] fatbin(ClassLoader loader, KernelEntry entry) {
    try (InputStream fatbin = loader.getResourceAsStream(FOLDER + entry.file())) {
      if (fatbin == null) {
        throw new CudaUnavailableException(
            "kernel " + entry.name(),
            "the index names " + entry.file() + ", which the class path does not hold",
            "build again from clean with nvcc on PATH or CUDA_HOME set");
      }
      return fatbin.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Unloads the fatbins; nothing queued may still run them. */
  @Override
  public void close() {
    context.requireCurrent();
    kernels.clear();
    modules.values().forEach(Cuda::unload);
    modules.clear();
  }
}
