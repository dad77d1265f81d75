package dev.sparrow.backend;

import dev.sparrow.backend.cpu.CpuBackend;
import org.junit.jupiter.api.Nested;

/** The CPU's uniformly sparse products, on one thread, on an even and on an odd number. */
class CpuSparseOpsTest {
  @Nested
  class OneThread extends SparseOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(1);
    }
  }

  @Nested
  class TwoThreads extends SparseOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(2);
    }
  }

  @Nested
  class ThreeThreads extends SparseOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(3);
    }
  }
}
