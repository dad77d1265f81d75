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
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The device layer on GPU 0, where there is one. */
class DeviceLayerGpuTest {
  /** {@code fill(unsigned* x, unsigned value)}: x[thread] = value + thread. */
  private static final String FILL =
      ".version 7.0\n.target sm_80\n.address_size 64\n"
          + ".visible .entry fill(.param .u64 x, .param .u32 value) {\n"
          + "  .reg .b32 %r<3>;\n  .reg .b64 %rd<4>;\n"
          + "  ld.param.u64 %rd1, [x];\n  ld.param.u32 %r1, [value];\n"
          + "  mov.u32 %r2, %tid.x;\n  add.u32 %r1, %r1, %r2;\n"
          + "  cvta.to.global.u64 %rd1, %rd1;\n  mul.wide.u32 %rd2, %r2, 4;\n"
          + "  add.s64 %rd3, %rd1, %rd2;\n  st.global.u32 [%rd3], %r1;\n  ret;\n}\n\0";

  private CudaContext context;
  private CachingAllocator allocator;
  private Stream stream;

  @BeforeEach
  void open() {
    assumeTrue(GpuPresence.gpu(), "no GPU here, so nothing of this can run");
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
  void aKernelGetsItsArgumentsAlsoFromAGraph(@TempDir Path folder) throws IOException {
    long address = allocator.allocate(512, "filled", Shape.of(128));
    try (URLClassLoader loader = classPathWithFill(folder);
        KernelLibrary library = KernelLibrary.open(context, loader)) {
      assertSame(library.kernel("fill"), library.kernel("fill"));
      Launch launch = library.kernel("fill").launch().grid(1).block(128);
      launch.arguments().address(address).int32(1000);
      stream.launch(launch);
      requireFilled(address, 1000);

      try (CudaGraph graph = capture(launch, address)) {
        stream.zero(address, 512);
        launch.arguments().address(0).int32(0);
        stream.launch(graph);
        requireFilled(address, 7);
      }
    }
    allocator.free(address);
  }

  @Test
  void launchesMakeNoGarbage(@TempDir Path folder) throws IOException {
    long address = allocator.allocate(512, "filled", Shape.of(128));
    try (URLClassLoader loader = classPathWithFill(folder);
        KernelLibrary library = KernelLibrary.open(context, loader)) {
      Launch launch = library.kernel("fill").launch();
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
      launch.grid(1).block(128).arguments().address(address).int32(i);
      stream.launch(launch);
    }
  }

  private CudaGraph capture(Launch launch, long address) {
    try (GraphCapture capture = GraphCapture.begin(stream, "fill again")) {
      launch.arguments().address(address).int32(7);
      stream.launch(launch);
      return capture.end();
    }
  }

  /** The driver takes PTX where it takes a fatbin, so that this needs no compiler. */
  private static URLClassLoader classPathWithFill(Path folder) throws IOException {
    Path kernels = Files.createDirectories(folder.resolve("dev/sparrow/kernels"));
    Files.writeString(kernels.resolve("fill.fatbin"), FILL, StandardCharsets.US_ASCII);
    Files.writeString(
        kernels.resolve("index.json"),
        "{\"built\": true, \"entries\": [{\"name\": \"fill\", \"file\": \"fill.fatbin\","
            + " \"arch\": \"sm_80\", \"registers\": 8, \"sharedBytes\": 0, \"spillStores\": 0,"
            + " \"spillLoads\": 0, \"stackFrame\": 0}]}");
    return new URLClassLoader(new URL[] {folder.toUri().toURL()}, null);
  }

  private void requireFilled(long address, int value) {
    try (PinnedBuffer down = PinnedBuffer.allocate(512)) {
      stream.download(address, down, 0, 512);
      stream.synchronizeSync();
      ByteBuffer values = down.buffer();
      for (int i = 0; i < 128; i++) {
        assertEquals(value + i, values.getInt(i * 4));
      }
    }
  }

  @Test
  void tensorMapsEncode() {
    assumeTrue(context.device().capability().major() >= 9, "TMA needs compute capability 9.0");
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
