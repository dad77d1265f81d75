package dev.sparrow.backend;

import dev.sparrow.backend.cpu.CpuBackend;
import org.junit.jupiter.api.Nested;

/** The CPU's batch normalisation, on one thread, on an even and on an odd number. */
class CpuBatchNormOpsTest {
  @Nested
  class OneThread extends BatchNormOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(1);
    }
  }

  @Nested
  class TwoThreads extends BatchNormOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(2);
    }
  }

  @Nested
  class ThreeThreads extends BatchNormOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(3);
    }
  }
}
