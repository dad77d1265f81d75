package dev.sparrow.model;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.data.Batch;
import dev.sparrow.model.SmallModel.Kind;
import dev.sparrow.nn.Pass;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class StepAllocationTest {
  private static final int STEPS = 20;

  /**
   * Lambdas and tensor views only: about a hundred ops a step of this model with a few objects
   * each. A step that allocated one activation of a real model would be far above.
   */
  private static final long BYTES_PER_STEP = 64 << 10;

  @ParameterizedTest
  @EnumSource(Kind.class)
  void stepAllocatesNothingButViews(Kind kind) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (SmallModel small = new SmallModel(new CpuBackend(1), kind, 0.1, 3)) {
      long backendBytes = small.backend.allocatedBytes();
      Batch batch = SmallModel.batch(3, 8);
      Pass pass = SmallModel.pass(batch, 3 * SmallModel.CONTEXT);
      run(small, batch, pass);
      long before = threads.getCurrentThreadAllocatedBytes();
      run(small, batch, pass);
      long bytes = (threads.getCurrentThreadAllocatedBytes() - before) / STEPS;
      assertTrue(
          bytes <= BYTES_PER_STEP, bytes + " bytes a step, expected at most " + BYTES_PER_STEP);
      assertTrue(backendBytes == small.backend.allocatedBytes(), "tensors allocated in a step");
    }
  }

  private static void run(SmallModel small, Batch batch, Pass pass) {
    for (int i = 0; i < STEPS; i++) {
      small.model.forwardBackward(batch, pass, parameter -> {});
    }
  }
}
