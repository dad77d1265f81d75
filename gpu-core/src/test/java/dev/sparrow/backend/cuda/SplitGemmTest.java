package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.cuda.GemmCall.Form;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.io.IOException;
import java.net.URLClassLoader;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Which products the split kernels take; that those are right, the backend's contract tells. */
class SplitGemmTest {
  private static final long ALIGNED = 1 << 20;
  private final GemmCall call = new GemmCall();
  private CudaContext context;
  private CachingAllocator memory;
  private Stream stream;
  private URLClassLoader loader;
  private KernelLibrary kernels;
  private KernelQueue queue;
  private SplitGemm engine;

  @BeforeEach
  void open() {
    GpuPresence.assumeRealOrEmulated();
    context = CudaContext.open(CudaDevice.open("0"));
    memory = new CachingAllocator(new DriverMemory(context));
    stream = Stream.compute(context);
    loader = GpuPresence.kernels();
    kernels = KernelLibrary.open(context, loader);
    queue = new KernelQueue(context, kernels, memory, stream);
    engine = new SplitGemm(queue, new DepthParts(queue, new PartialSums(queue)));
  }

  @AfterEach
  void close() throws IOException {
    if (context != null) {
      queue.close();
      kernels.close();
      loader.close();
      stream.close();
      memory.close();
      context.close();
    }
  }

  @Test
  void aRoutersProductsAreTaken() {
    assertTrue(takesLogits(128, 64, 8));
    assertTrue(takesLogits(32768, 4096, 64));
    assertTrue(takesInputGradient(128, 64, 3));
    assertTrue(takesInputGradient(128, 65, 64));
    assertTrue(takesWeightGradient(128, 64, 8));
    assertTrue(takesWeightGradient(129, 64, 7));
  }

  @Test
  void fewTokensAreNot() {
    assertFalse(takesLogits(127, 64, 8));
    assertFalse(takesInputGradient(127, 64, 8));
    assertFalse(takesWeightGradient(127, 64, 8));
  }

  @Test
  void unalignedActivationsAreNot() {
    assertFalse(takesLogits(128, 65, 8));
    assertFalse(takesWeightGradient(128, 65, 8));
    Tensor shifted = tensor(DType.BF16, ALIGNED + 2, 128, 64);
    Tensor w = tensor(DType.F32, ALIGNED, 8, 64);
    Tensor logits = tensor(DType.F32, ALIGNED, 128, 8);
    assertFalse(engine.fits(call.dense(Form.NT, shifted, w, null, false, logits)));
  }

  @Test
  void otherTypesAreNot() {
    Tensor x = tensor(DType.BF16, ALIGNED, 128, 64);
    Tensor w = tensor(DType.BF16, ALIGNED, 64, 64);
    Tensor y = tensor(DType.BF16, ALIGNED, 128, 64);
    assertFalse(engine.fits(call.dense(Form.NT, x, w, null, false, y)));
    assertFalse(engine.fits(call.dense(Form.NN, x, w, null, false, y)));
  }

  private boolean takesLogits(int tokens, int width, int experts) {
    Tensor x = tensor(DType.BF16, ALIGNED, tokens, width);
    Tensor w = tensor(DType.F32, ALIGNED, experts, width);
    Tensor logits = tensor(DType.F32, ALIGNED, tokens, experts);
    return engine.fits(call.dense(Form.NT, x, w, null, false, logits));
  }

  private boolean takesInputGradient(int tokens, int width, int experts) {
    Tensor dlogits = tensor(DType.F32, ALIGNED, tokens, experts);
    Tensor w = tensor(DType.F32, ALIGNED, experts, width);
    Tensor dx = tensor(DType.BF16, ALIGNED, tokens, width);
    return engine.fits(call.dense(Form.NN, dlogits, w, null, true, dx));
  }

  private boolean takesWeightGradient(int tokens, int width, int experts) {
    Tensor dlogits = tensor(DType.F32, ALIGNED, tokens, experts);
    Tensor x = tensor(DType.BF16, ALIGNED, tokens, width);
    Tensor dw = tensor(DType.F32, ALIGNED, experts, width);
    return engine.fits(call.dense(Form.TN, dlogits, x, null, true, dw));
  }

  /** A tensor whose memory nobody touches. */
  private static Tensor tensor(DType type, long address, int rows, int columns) {
    Shape shape = Shape.of(rows, columns);
    return new Tensor(new DeviceStorage(type, shape.size(), address), 0, shape);
  }
}
