package dev.sparrow.backend;

import org.junit.jupiter.api.Nested;

/** An ideal backend that computes in BF16 keeps every contract. */
class RoundingBackendTest {
  @Nested
  class Memory extends BackendContract {
    @Override
    protected Backend open() {
      return new RoundingBackend();
    }
  }

  @Nested
  class Elementwise extends ElementwiseOpsContract {
    @Override
    protected Backend open() {
      return new RoundingBackend();
    }
  }

  @Nested
  class Matmul extends MatmulOpsContract {
    @Override
    protected Backend open() {
      return new RoundingBackend();
    }
  }

  @Nested
  class Embedding extends EmbeddingOpsContract {
    @Override
    protected Backend open() {
      return new RoundingBackend();
    }
  }

  @Nested
  class Norm extends NormOpsContract {
    @Override
    protected Backend open() {
      return new RoundingBackend();
    }
  }

  @Nested
  class Activation extends ActivationOpsContract {
    @Override
    protected Backend open() {
      return new RoundingBackend();
    }
  }

  @Nested
  class Attention extends AttentionOpsContract {
    @Override
    protected Backend open() {
      return new RoundingBackend();
    }
  }

  @Nested
  class Loss extends LossOpsContract {
    @Override
    protected Backend open() {
      return new RoundingBackend();
    }
  }

  @Nested
  class Routing extends RoutingOpsContract {
    @Override
    protected Backend open() {
      return new RoundingBackend();
    }
  }

  @Nested
  class Optimizer extends OptimizerOpsContract {
    @Override
    protected Backend open() {
      return new RoundingBackend();
    }
  }

  @Nested
  class RoutingInvariants extends RoutingInvariantsContract {
    @Override
    protected Backend open() {
      return new RoundingBackend();
    }
  }

  @Nested
  class Sparse extends SparseOpsContract {
    @Override
    protected Backend open() {
      return new RoundingBackend();
    }
  }

  @Nested
  class GroupedSparse extends GroupedSparseOpsContract {
    @Override
    protected Backend open() {
      return new RoundingBackend();
    }
  }

  @Nested
  class Conv extends ConvOpsContract {
    @Override
    protected Backend open() {
      return new RoundingBackend();
    }
  }

  @Nested
  class BatchNorm extends BatchNormOpsContract {
    @Override
    protected Backend open() {
      return new RoundingBackend();
    }
  }
}
