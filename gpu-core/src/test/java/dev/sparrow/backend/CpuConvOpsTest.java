package dev.sparrow.backend;

import dev.sparrow.backend.cpu.CpuBackend;
import org.junit.jupiter.api.Nested;

/** The CPU's convolutions, on one thread, on an even and on an odd number. */
class CpuConvOpsTest {
  @Nested
  class OneThread extends ConvOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(1);
    }
  }

  @Nested
  class TwoThreads extends ConvOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(2);
    }
  }

  @Nested
  class ThreeThreads extends ConvOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(3);
    }
  }
}
