package dev.sparrow.backend;

import dev.sparrow.backend.cpu.CpuBackend;
import org.junit.jupiter.api.Nested;

/** The CPU's look-ups and positions, on one thread, on an even and on an odd number. */
class CpuEmbeddingOpsTest {
  @Nested
  class OneThread extends EmbeddingOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(1);
    }
  }

  @Nested
  class TwoThreads extends EmbeddingOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(2);
    }
  }

  @Nested
  class ThreeThreads extends EmbeddingOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(3);
    }
  }
}
