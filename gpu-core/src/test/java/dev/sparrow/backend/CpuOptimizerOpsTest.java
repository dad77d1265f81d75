package dev.sparrow.backend;

import dev.sparrow.backend.cpu.CpuBackend;
import org.junit.jupiter.api.Nested;

/** The CPU's optimizer steps, on one thread, on an even and on an odd number. */
class CpuOptimizerOpsTest {
  @Nested
  class OneThread extends OptimizerOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(1);
    }
  }

  @Nested
  class TwoThreads extends OptimizerOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(2);
    }
  }

  @Nested
  class ThreeThreads extends OptimizerOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(3);
    }
  }
}
