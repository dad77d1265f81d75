package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.URLClassLoader;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The device layer on GPU 0, or on the emulated driver where there is none. */
class DeviceLayerGpuTest {
  private CudaContext context;
  private CachingAllocator allocator;
  private Stream stream;

  @BeforeEach
  void open() {
    GpuPresence.assumeRealOrEmulated();
    context = CudaContext.open(CudaDevice.open("0"));
    allocator = new CachingAllocator(new DriverMemory(context));
    stream = Stream.compute(context);
  }

  @AfterEach
  void close() {
    if (context != null) {
      stream.close();
      allocator.close();
      context.close();
    }
  }

  @Test
  void whatGoesUpComesDown() {
    int bytes = 1 << 20;
    long address = allocator.allocate(bytes, "round trip", Shape.of(bytes));
    try (PinnedBuffer up = PinnedBuffer.allocate(bytes);
        PinnedBuffer down = PinnedBuffer.allocate(bytes)) {
      for (int i = 0; i < bytes; i += 4) {
        up.buffer().putInt(i, i * 31);
      }
      stream.upload(up, 0, address, bytes);
      stream.zero(address, 64);
      stream.download(address, down, 0, bytes);
      stream.synchronizeSync();
      for (int i = 0; i < bytes; i += 4) {
        assertEquals(i < 64 ? 0 : i * 31, down.buffer().getInt(i));
      }
    }
    allocator.free(address);
  }

  @Test
  void eventsOrderAndTimeStreams() {
    try (Stream copy = Stream.copy(context);
        Event start = Event.timing();
        Event end = Event.timing()) {
      stream.record(start);
      copy.await(start);
      copy.record(end);
      copy.synchronizeSync();
      assertTrue(end.millisSince(start) >= 0);
      assertTrue(copy.isDone());
    }
  }

  @Test
  void aKernelGetsItsArgumentsAlsoFromAGraph() throws IOException {
    long address = allocator.allocate(512, "filled", Shape.of(128));
    try (URLClassLoader loader = GpuPresence.kernels();
        KernelLibrary library = KernelLibrary.open(context, loader)) {
      assertSame(library.kernel("fill_i32"), library.kernel("fill_i32"));
      Launch launch = library.kernel("fill_i32").launch().grid(1).block(128);
      launch.arguments().int32(1000).address(address).int64(128);
      stream.launch(launch);
      requireFilled(address, 1000);

      try (CudaGraph graph = capture(launch, address)) {
        stream.zero(address, 512);
        launch.arguments().int32(0).address(0).int64(0);
        stream.launch(graph);
        requireFilled(address, 7);
      }
    }
    allocator.free(address);
  }

  @Test
  void launchesMakeNoGarbage() throws IOException {
    long address = allocator.allocate(512, "filled", Shape.of(128));
    try (URLClassLoader loader = GpuPresence.kernels();
        KernelLibrary library = KernelLibrary.open(context, loader)) {
      Launch launch = library.kernel("fill_i32").launch();
      launchOften(launch, address, 1000);
      ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
      long before = threads.getCurrentThreadAllocatedBytes();
      launchOften(launch, address, 1000);
      long bytes = threads.getCurrentThreadAllocatedBytes() - before;
      assertTrue(bytes < 1000, "1000 launches allocated " + bytes + " bytes on the heap");
      stream.synchronizeSync();
    }
    allocator.free(address);
  }

  private void launchOften(Launch launch, long address, int times) {
    for (int i = 0; i < times; i++) {
      launch.grid(1).block(128).arguments().int32(i).address(address).int64(128);
      stream.launch(launch);
    }
  }

  private CudaGraph capture(Launch launch, long address) {
    try (GraphCapture capture = GraphCapture.begin(stream, "fill again")) {
      launch.arguments().int32(7).address(address).int64(128);
      stream.launch(launch);
      return capture.end();
    }
  }

  private void requireFilled(long address, int value) {
    try (PinnedBuffer down = PinnedBuffer.allocate(512)) {
      stream.download(address, down, 0, 512);
      stream.synchronizeSync();
      for (int i = 0; i < 128; i++) {
        assertEquals(value, down.buffer().getInt(i * 4));
      }
    }
  }

  @Test
  void tensorMapsEncode() {
    assumeTrue(
        !GpuPresence.real() || context.device().capability().major() >= 9,
        "TMA needs compute capability 9.0");
    long address = allocator.allocate(64 * 64 * 2, "tiles", Shape.of(64, 64));
    TensorMapSpec spec =
        TensorMapSpec.matrix(
            DType.BF16,
            address,
            new TensorMapSpec.MatrixExtent(64, 64),
            new TensorMapSpec.MatrixExtent(32, 64),
            TensorMapSpec.Swizzle.BYTES_128);
    ByteBuffer map = new TensorMaps(context.device().driver()).encode(spec).bytes();
    boolean anything = false;
    for (int i = 0; i < map.limit(); i++) {
      anything |= map.get(i) != 0;
    }
    assertTrue(anything);
    allocator.free(address);
  }
}
