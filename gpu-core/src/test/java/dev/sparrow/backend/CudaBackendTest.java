package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.sparrow.backend.cuda.TestGpu;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/**
 * The CUDA backend keeps every contract, on a real GPU or on the emulated one: with tensors at odd
 * addresses, which plain kernels serve, and with aligned ones, which meet the tensor cores.
 */
class CudaBackendTest {
  /** Two tasks that wait for each other: one thread would wait in vain. */
  @Test
  void workOnTheHostRunsOnTheRanksThreads() {
    CountDownLatch both = new CountDownLatch(2);
    boolean[] met = new boolean[2];
    try (Backend backend = TestGpu.open()) {
      backend
          .hostLoop()
          .forEach(
              2,
              i -> {
                both.countDown();
                try {
                  met[i] = both.await(30, TimeUnit.SECONDS);
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              });
    }
    assertArrayEquals(new boolean[] {true, true}, met);
  }

  @Nested
  class Memory extends BackendContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }
  }

  @Nested
  class Elementwise extends ElementwiseOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }
  }

  @Nested
  class ElementwiseAligned extends ElementwiseOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }

    @Override
    protected boolean aligned() {
      return true;
    }
  }

  @Nested
  class Matmul extends MatmulOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }
  }

  @Nested
  class MatmulAligned extends MatmulOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }

    @Override
    protected boolean aligned() {
      return true;
    }
  }

  @Nested
  class MatmulByCublasLt extends MatmulOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.openWithCublasLt();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }
  }

  @Nested
  class GatheredMatmul extends GatheredMatmulOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }
  }

  @Nested
  class GatheredMatmulAligned extends GatheredMatmulOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }

    @Override
    protected boolean aligned() {
      return true;
    }
  }

  @Nested
  class Embedding extends EmbeddingOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }
  }

  @Nested
  class Norm extends NormOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }
  }

  @Nested
  class NormAligned extends NormOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }

    @Override
    protected boolean aligned() {
      return true;
    }
  }

  @Nested
  class Activation extends ActivationOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }
  }

  @Nested
  class Attention extends AttentionOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }
  }

  @Nested
  class AttentionAligned extends AttentionOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }

    @Override
    protected boolean aligned() {
      return true;
    }
  }

  @Nested
  class Loss extends LossOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }
  }

  @Nested
  class LossAligned extends LossOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }

    @Override
    protected boolean aligned() {
      return true;
    }
  }

  @Nested
  class Routing extends RoutingOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }
  }

  @Nested
  class RoutingAligned extends RoutingOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }

    @Override
    protected boolean aligned() {
      return true;
    }
  }

  @Nested
  class RoutingInvariants extends RoutingInvariantsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }
  }

  @Nested
  class Optimizer extends OptimizerOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }
  }

  @Nested
  class Sparse extends SparseOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }
  }

  /** Kernels of sparse weights at every density, where a backend would leave most to dense ones. */
  @Nested
  class SparseKernels extends SparseOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.openWithSparseKernels();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }

    @Override
    protected boolean aligned() {
      return true;
    }
  }

  @Nested
  class GroupedSparse extends GroupedSparseOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }
  }

  @Nested
  class Conv extends ConvOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }
  }

  @Nested
  class ConvAligned extends ConvOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }

    @Override
    protected boolean aligned() {
      return true;
    }
  }

  @Nested
  class BatchNorm extends BatchNormOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }
  }

  @Nested
  class BatchNormAligned extends BatchNormOpsContract {
    @Override
    protected Backend open() {
      return TestGpu.open();
    }

    @Override
    protected boolean slow() {
      return TestGpu.emulated();
    }

    @Override
    protected boolean aligned() {
      return true;
    }
  }
}
