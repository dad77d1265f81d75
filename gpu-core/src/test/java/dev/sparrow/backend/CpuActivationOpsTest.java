package dev.sparrow.backend;

import dev.sparrow.backend.cpu.CpuBackend;
import org.junit.jupiter.api.Nested;

/** The CPU's nonlinearities, on one thread, on an even and on an odd number. */
class CpuActivationOpsTest {
  @Nested
  class OneThread extends ActivationOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(1);
    }
  }

  @Nested
  class TwoThreads extends ActivationOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(2);
    }
  }

  @Nested
  class ThreeThreads extends ActivationOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(3);
    }
  }
}
