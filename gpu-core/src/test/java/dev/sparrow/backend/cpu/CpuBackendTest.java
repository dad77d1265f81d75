package dev.sparrow.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.sparrow.backend.AttentionOps.Dropout;
import dev.sparrow.backend.AttentionShape;
import dev.sparrow.backend.Draws;
import dev.sparrow.backend.RandomKey;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class CpuBackendTest {
  private final CpuBackend backend = new CpuBackend(2);

  @AfterEach
  void closeBackend() {
    backend.close();
  }

  @Test
  void bytesAreCountedUntilFreed() {
    Tensor floats = backend.allocate(3, 4);
    Tensor ints = backend.allocate(DType.I32, Shape.of(5));
    assertEquals(48 + 20, backend.allocatedBytes());
    backend.free(floats);
    assertEquals(20, backend.allocatedBytes());
    assertThrows(IllegalArgumentException.class, () -> backend.free(floats), "freed twice");
    assertThrows(IllegalArgumentException.class, () -> backend.free(ints.first(2)), "a view");
    assertThrows(
        IllegalArgumentException.class,
        () -> backend.free(HeapStorage.wrap(new float[2], 2)),
        "another's");
    backend.close();
    assertEquals(0, backend.allocatedBytes());
    assertThrows(IllegalStateException.class, () -> backend.allocate(1));
  }

  @Test
  void uploadedValuesComeBack() {
    float[] host = {0, 1, 2, 3, 4};
    float[] back = new float[4];
    for (DType dtype : new DType[] {DType.F32, DType.F64}) {
      Tensor tensor = backend.allocate(dtype, Shape.of(6));
      backend.upload(host, 1, tensor.window(2, 3));
      backend.downloadSync(tensor.window(2, 3), back, 1);
      assertArrayEquals(new float[] {0, 1, 2, 3}, back);
    }
    Tensor ids = backend.allocate(DType.I32, Shape.of(3));
    int[] ints = new int[3];
    backend.upload(new int[] {9, 8, 7, 6}, 1, ids);
    backend.downloadSync(ids, ints, 0);
    assertArrayEquals(new int[] {8, 7, 6}, ints);
  }

  @Test
  void descriptionNamesThreadsAndLibrary() {
    String description = backend.description();
    assertTrue(description.contains("2 threads, OpenBLAS"), description);
  }

  @Test
  void productsAndAttentionAllocateOnlySmallConstantGarbage() {
    AttentionShape shape = new AttentionShape(2, 70, 2, 16);
    Tensor x = backend.allocate(140, 32);
    Tensor qkv = backend.allocate(140, 96);
    Tensor w = backend.allocate(96, 32);
    Tensor bias = backend.allocate(96);
    Tensor out = backend.allocate(140, 32);
    Tensor logSumExp = backend.allocate(4, 70);
    Tensor experts = backend.allocate(4, 96, 32);
    Tensor offsets = HeapStorage.wrap(new int[] {0, 100, 100, 101, 140}, 5);
    Dropout dropout = new Dropout(0.1, Draws.from(new RandomKey(1, 2), 5));
    Runnable step =
        () -> {
          backend.matmul().forward(x, w, bias, null, qkv);
          backend.attention().forward(shape, qkv, dropout, out, logSumExp);
          backend.attention().backward(shape, qkv, out, logSumExp, x, dropout, qkv);
          backend.matmul().backwardInput(qkv, w, false, x);
          backend.matmul().backwardWeight(qkv, x, w, bias);
          backend.matmul().groupedForward(x, experts, offsets, qkv);
          backend.matmul().groupedBackwardInput(qkv, experts, offsets, false, x);
          backend.matmul().groupedBackwardWeight(qkv, x, offsets, experts);
          backend.elementwise().fill(x, 0.5);
          backend.elementwise().fill(w, 0.01);
        };
    // Ten ops, each with a few captured lambdas and views; one scores tile would be 18 kB.
    long bytesPerStep = bytesPerStepOnceCompiled(step, 4096);
    assertTrue(bytesPerStep < 4096, "expected < 4096 bytes a step, got " + bytesPerStep);
  }

  /** Until loops are compiled, vectors are objects: waits for that, on a busy machine longer. */
  private static long bytesPerStepOnceCompiled(Runnable step, long expected) {
    int steps = 200;
    long least = Long.MAX_VALUE;
    for (int window = 0; window < 100 && least >= expected; window++) {
      long before = allocated();
      for (int i = 0; i < steps; i++) {
        step.run();
      }
      least = Math.min(least, (allocated() - before) / steps);
    }
    return least;
  }

  /** Bytes that the pool's threads and the caller have allocated so far. */
  private static long allocated() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long bytes = 0;
    for (Thread thread : Thread.getAllStackTraces().keySet()) {
      if (thread == Thread.currentThread() || thread.getName().startsWith("sparrow-host-")) {
        bytes += threads.getThreadAllocatedBytes(thread.getId());
      }
    }
    return bytes;
  }
}
