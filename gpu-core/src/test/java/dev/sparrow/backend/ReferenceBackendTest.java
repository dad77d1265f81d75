package dev.sparrow.backend;

import org.junit.jupiter.api.Nested;

/** The oracle keeps the contracts that need no second opinion. */
class ReferenceBackendTest {
  @Nested
  class Memory extends BackendContract {
    @Override
    protected Backend open() {
      return new ReferenceBackend();
    }
  }

  @Nested
  class RoutingInvariants extends RoutingInvariantsContract {
    @Override
    protected Backend open() {
      return new ReferenceBackend();
    }
  }
}
