package dev.sparrow.backend;

import dev.sparrow.backend.cpu.CpuBackend;
import org.junit.jupiter.api.Nested;

/** The CPU's routing without an oracle, on one thread, on an even and on an odd number. */
class CpuRoutingInvariantsTest {
  @Nested
  class OneThread extends RoutingInvariantsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(1);
    }
  }

  @Nested
  class TwoThreads extends RoutingInvariantsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(2);
    }
  }

  @Nested
  class ThreeThreads extends RoutingInvariantsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(3);
    }
  }
}
