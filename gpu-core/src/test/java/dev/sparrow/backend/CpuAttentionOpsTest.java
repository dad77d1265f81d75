package dev.sparrow.backend;

import dev.sparrow.backend.cpu.CpuBackend;
import org.junit.jupiter.api.Nested;

/** The CPU's attention, on one thread, on an even and on an odd number. */
class CpuAttentionOpsTest {
  @Nested
  class OneThread extends AttentionOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(1);
    }
  }

  @Nested
  class TwoThreads extends AttentionOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(2);
    }
  }

  @Nested
  class ThreeThreads extends AttentionOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(3);
    }
  }
}
