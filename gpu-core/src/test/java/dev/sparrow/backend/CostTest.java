package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.opentest4j.TestAbortedException;

/** Which cases a slow backend skips. */
class CostTest {
  private static final Cost CHEAP = Cost.products(3, 128, 1536, 384).plus(Cost.passes(5, 1e6));
  private static final Cost DEAR = Cost.products(1, 1024, 1024, 1024);

  @Test
  void onlyASlowBackendSkipsAndOnlyWhatIsDear() {
    assertDoesNotThrow(() -> DEAR.assumeAffordable(false));
    assertDoesNotThrow(() -> CHEAP.assumeAffordable(true));
    assertThrows(TestAbortedException.class, () -> DEAR.assumeAffordable(true));
    assertThrows(TestAbortedException.class, () -> Cost.passes(21, 1e6).assumeAffordable(true));
  }

  @Test
  void theReasonTellsTheTime() {
    String reason =
        assertThrows(TestAbortedException.class, () -> DEAR.assumeAffordable(true)).getMessage();
    assertTrue(reason.contains("4.3 s") && reason.contains("2.0 s"), reason);
  }
}
