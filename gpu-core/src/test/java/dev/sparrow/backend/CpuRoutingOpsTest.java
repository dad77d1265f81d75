package dev.sparrow.backend;

import dev.sparrow.backend.cpu.CpuBackend;
import org.junit.jupiter.api.Nested;

/** The CPU's routing, on one thread, on an even and on an odd number. */
class CpuRoutingOpsTest {
  @Nested
  class OneThread extends RoutingOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(1);
    }
  }

  @Nested
  class TwoThreads extends RoutingOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(2);
    }
  }

  @Nested
  class ThreeThreads extends RoutingOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(3);
    }
  }
}
