package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URLClassLoader;
import java.util.List;
import org.junit.jupiter.api.function.Executable;

/** An emulated GPU with two streams and the kernels, and what tests of its driver do with them. */
final class EmulatedDriverFixture implements AutoCloseable {
  final CudaContext context;
  final DriverMemory memory;
  final Stream compute;
  final Stream copy;
  final KernelLibrary kernels;
  private final Launch fill;
  private final URLClassLoader loader = GpuPresence.kernels();

  EmulatedDriverFixture(String gpu) {
    context = CudaContext.open(CudaDevice.open(gpu));
    memory = new DriverMemory(context);
    compute = Stream.compute(context);
    copy = Stream.copy(context);
    kernels = KernelLibrary.open(context, loader);
    fill = kernels.kernel("fill_i32").launch().grid(1).block(128);
  }

  /** GPU 0, with a seed for what runs first. */
  static EmulatedDriverFixture seeded(long seed) {
    long before = EmulatedDriver.seed(seed);
    try {
      return new EmulatedDriverFixture("0");
    } finally {
      EmulatedDriver.seed(before);
    }
  }

  /** out[0..n) = value, by one block. */
  Launch fill(int value, long out, long n) {
    fill.arguments().int32(value).address(out).int64(n);
    return fill;
  }

  /** The first of the ints at an address of the device, after all that is queued on compute. */
  int firstInt(long address) {
    try (PinnedBuffer down = PinnedBuffer.allocate(4)) {
      compute.download(address, down, 0, 4);
      compute.synchronizeSync();
      return down.buffer().getInt(0);
    }
  }

  /** The call is refused with the code, and what the driver said of it holds the words. */
  static void refused(int code, String words, Executable call) {
    EmulatedDriver.quiet(true);
    try {
      assertEquals(code, assertThrows(CudaException.class, call).code());
    } finally {
      EmulatedDriver.quiet(false);
    }
    String report = EmulatedDriver.lastReport();
    assertTrue(report.contains(words), "expected \"" + words + "\" in: " + report);
  }

  @Override
  public void close() {
    copy.close();
    compute.close();
    kernels.close();
    context.close();
    closeLoader();
  }

  /** Closes when the context is lost, so that nothing but itself can be closed. */
  void closeLost() {
    for (Executable close : List.<Executable>of(copy::close, compute::close, kernels::close)) {
      assertThrows(CudaException.class, close);
    }
    context.close();
    closeLoader();
  }

  private void closeLoader() {
    try {
      loader.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
