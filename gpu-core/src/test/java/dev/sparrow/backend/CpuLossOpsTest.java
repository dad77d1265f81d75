package dev.sparrow.backend;

import dev.sparrow.backend.cpu.CpuBackend;
import org.junit.jupiter.api.Nested;

/** The CPU's losses, on one thread, on an even and on an odd number. */
class CpuLossOpsTest {
  @Nested
  class OneThread extends LossOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(1);
    }
  }

  @Nested
  class TwoThreads extends LossOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(2);
    }
  }

  @Nested
  class ThreeThreads extends LossOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(3);
    }
  }
}
