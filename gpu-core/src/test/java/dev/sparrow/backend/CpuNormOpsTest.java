package dev.sparrow.backend;

import dev.sparrow.backend.cpu.CpuBackend;
import org.junit.jupiter.api.Nested;

/** The CPU's norms, on one thread, on an even and on an odd number. */
class CpuNormOpsTest {
  @Nested
  class OneThread extends NormOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(1);
    }
  }

  @Nested
  class TwoThreads extends NormOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(2);
    }
  }

  @Nested
  class ThreeThreads extends NormOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(3);
    }
  }
}
