package dev.sparrow.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class LmBenchTest {
  private static LmCase small(String name) {
    return new LmCase(name, 1, 2, 8, 4, 2, 5, 0, 3);
  }

  @Test
  void everyCaseHasItsRowsAndOnlyKnownPeersARatio() {
    List<BenchRow> rows = new LmBench(1, Map.of("a", 10.0)).run(List.of(small("a"), small("b")));
    assertEquals(4, rows.size());
    assertEquals(rows.get(0).value() / 10, rows.get(0).ratio());
    assertNull(rows.get(2).ratio());
    assertTrue(rows.get(3).ratio() > 0 && rows.get(3).ratio() < 1, rows.get(3).toString());
  }

  /** Counted by hand: qkv, out, up and down of 8 columns, 2.5 keys a query, a head of 5. */
  @Test
  void flopsAreThoseOfTheProducts() {
    double perToken = 2 * (8 * 24 + 8 * 8 + 2 * 8 * 32 + 8 * 5) + 2 * 2 * 8 * 2.5;
    try (LmStep step = new LmStep(small("a"), 1)) {
      assertEquals(3 * perToken * 8, step.matmulFlops(), 1e-6);
    }
  }

  @Test
  void theStepLearns() {
    try (LmStep step = new LmStep(small("a"), 1)) {
      double first = step.run();
      double last = first;
      for (int i = 0; i < 30; i++) {
        last = step.run();
      }
      assertTrue(last < first, first + " then " + last);
    }
  }
}
