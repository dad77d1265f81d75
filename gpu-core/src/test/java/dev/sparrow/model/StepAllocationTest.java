package dev.sparrow.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.data.Batch;
import dev.sparrow.data.ImageBatch;
import dev.sparrow.data.TokenBatch;
import dev.sparrow.model.SmallModel.Kind;
import dev.sparrow.nn.Pass;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class StepAllocationTest {
  /**
   * Lambdas and tensor views only: about a hundred ops a step with a few small objects each. One
   * activation of a model that is worth training is larger.
   */
  private static final long BYTES_PER_STEP = 64 << 10;

  private static final int STEPS = 20;

  /**
   * Until the JIT has compiled them, Vector API loops allocate a box for every vector; so steps are
   * measured in rounds, and one round without is proof that steps need none.
   */
  private static final int ROUNDS = 500;

  @ParameterizedTest
  @EnumSource(Kind.class)
  void stepAllocatesNothingButViews(Kind kind) {
    try (SmallModel small = new SmallModel(new CpuBackend(1), kind, 0.1, 3)) {
      TokenBatch batch = SmallModel.batch(3, 8);
      check(small.backend, small.model, batch, SmallModel.pass(batch, 3 * SmallModel.CONTEXT));
    }
  }

  /** Uploading included: cutting images into patches. */
  @ParameterizedTest
  @EnumSource(
      value = SmallClassifier.Kind.class,
      names = {"MLP", "SPARSE_MLP", "VIT"})
  void aClassifiersStepAllocatesNothingButViews(SmallClassifier.Kind kind) {
    try (SmallClassifier small = new SmallClassifier(new CpuBackend(1), kind, 0.1, 3)) {
      ImageBatch batch = SmallClassifier.batch(3, 8);
      check(small.backend, small.model, batch, small.pass(batch, 3));
    }
  }

  private static void check(Backend backend, Model model, Batch batch, Pass pass) {
    long backendBytes = backend.allocatedBytes();
    long bytes = Long.MAX_VALUE;
    for (int round = 0; round < ROUNDS && bytes > BYTES_PER_STEP; round++) {
      bytes = bytesPerStep(model, batch, pass);
    }
    assertTrue(
        bytes <= BYTES_PER_STEP, bytes + " bytes a step, expected at most " + BYTES_PER_STEP);
    assertEquals(backendBytes, backend.allocatedBytes());
  }

  private static long bytesPerStep(Model model, Batch batch, Pass pass) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    for (int i = 0; i < STEPS; i++) {
      model.forwardBackward(batch, pass, parameter -> {});
    }
    return (threads.getCurrentThreadAllocatedBytes() - before) / STEPS;
  }
}
