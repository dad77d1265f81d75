package dev.sparrow.backend;

import dev.sparrow.backend.cpu.CpuBackend;
import org.junit.jupiter.api.Nested;

/** The CPU's memory and copies, on one thread, on an even and on an odd number. */
class CpuBackendTest {
  @Nested
  class OneThread extends BackendContract {
    @Override
    protected Backend open() {
      return new CpuBackend(1);
    }
  }

  @Nested
  class TwoThreads extends BackendContract {
    @Override
    protected Backend open() {
      return new CpuBackend(2);
    }
  }

  @Nested
  class ThreeThreads extends BackendContract {
    @Override
    protected Backend open() {
      return new CpuBackend(3);
    }
  }
}
