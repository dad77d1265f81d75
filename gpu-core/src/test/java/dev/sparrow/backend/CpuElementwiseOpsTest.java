package dev.sparrow.backend;

import dev.sparrow.backend.cpu.CpuBackend;
import org.junit.jupiter.api.Nested;

/** The CPU's copies, fills and sums, on one thread, on an even and on an odd number. */
class CpuElementwiseOpsTest {
  @Nested
  class OneThread extends ElementwiseOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(1);
    }
  }

  @Nested
  class TwoThreads extends ElementwiseOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(2);
    }
  }

  @Nested
  class ThreeThreads extends ElementwiseOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(3);
    }
  }
}
