package dev.sparrow.backend;

import dev.sparrow.backend.cpu.CpuBackend;
import org.junit.jupiter.api.Nested;

/** The CPU's products, on one thread, on an even and on an odd number. */
class CpuMatmulOpsTest {
  @Nested
  class OneThread extends MatmulOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(1);
    }
  }

  @Nested
  class TwoThreads extends MatmulOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(2);
    }
  }

  @Nested
  class ThreeThreads extends MatmulOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(3);
    }
  }
}
