package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sparrow.tensor.Shape;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import jcuda.driver.CUmodule;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

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
    assumeTrue(GpuPresence.driver(), "no NVIDIA driver here, so nothing of this can run");
    context = CudaContext.open(CudaDevice.open("0"));
    allocator = new CachingAllocator(new DriverMemory(context));
    stream = Stream.compute();
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
    try (Stream copy = Stream.copy();
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
  void aKernelGetsItsArgumentsAlsoFromAGraph() {
    CUmodule module = Cuda.loadModule(FILL.getBytes(StandardCharsets.US_ASCII));
    Kernel kernel =
        new Kernel(
            new KernelEntry("fill", "fill.fatbin", "sm_80", 8, 0, 0, 0, 0),
            Cuda.function(module, "fill"),
            context.device().sharedBytesPerBlock());
    long address = allocator.allocate(512, "filled", Shape.of(128));
    Launch launch = kernel.launch().grid(1).block(128);
    launch.arguments().address(address).int32(1000);
    stream.launch(launch);
    requireFilled(address, 1000);

    CudaGraph graph;
    try (GraphCapture capture = GraphCapture.begin(stream, "fill again")) {
      launch.arguments().address(address).int32(7);
      stream.launch(launch);
      graph = capture.end();
    }
    stream.zero(address, 512);
    launch.arguments().address(0).int32(0);
    stream.launch(graph);
    requireFilled(address, 7);
    graph.close();
    allocator.free(address);
    Cuda.unload(module);
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
            dev.sparrow.tensor.DType.BF16,
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
