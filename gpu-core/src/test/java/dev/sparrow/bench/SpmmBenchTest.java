package dev.sparrow.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.UniformPattern;
import dev.sparrow.backend.cpu.CpuBackend;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SpmmBenchTest {
  private static final SpmmShape SMALL = new SpmmShape(16, 256, 3);

  @Test
  void everyFormatAndSparsityIsComparedAndTheMeansAreTheirs() {
    List<BenchRow> rows;
    try (CpuBackend backend = new CpuBackend(1)) {
      rows =
          new SpmmBench(backend, new SpmmEffort(1, 1, 0.1, 2))
              .run(List.of(SMALL, new SpmmShape(32, 256, 3)));
    }
    for (String percent : List.of("50", "75", "90", "95")) {
      for (SpmmFormat format : SpmmFormat.ALL) {
        String kind = "3-" + percent + "-" + format.name();
        double product = 1;
        for (String shape : List.of("16x256-", "32x256-")) {
          for (String metric : List.of("forward", "dx", "dw", "all")) {
            BenchRow row = row(rows, shape + kind, metric);
            assertEquals(row.baseline() / row.value(), row.ratio(), row.toString());
            assertTrue(row.min() > 0 && row.runs() == 2, row.toString());
          }
          product *= row(rows, shape + kind, "forward").ratio();
        }
        double mean = row(rows, "all-" + kind, "forward_mean").value();
        assertEquals(Math.sqrt(product), mean, 1e-9 * mean);
      }
    }
  }

  private static BenchRow row(List<BenchRow> rows, String name, String metric) {
    List<BenchRow> found =
        rows.stream()
            .filter(row -> row.caseName().equals(name) && row.metric().equals(metric))
            .toList();
    assertEquals(1, found.size(), name + " " + metric);
    return found.get(0);
  }

  @Test
  void aBenchWithoutRunsIsRefused() {
    try (CpuBackend backend = new CpuBackend(1)) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> new SpmmBench(backend, 0))
              .getMessage();
      assertTrue(message.contains("expected at least 1 run, got 0"), message);
    }
  }

  @Test
  void noFormatHasFewerNonZerosThanItsSparsitySays() {
    for (SpmmFormat format : SpmmFormat.ALL) {
      for (int percent : new int[] {50, 75, 90, 95}) {
        UniformPattern pattern = format.pattern(SMALL, percent, new Random(5));
        int least = (int) Math.round(SMALL.in() * (100 - percent) / 100.0);
        assertTrue(
            pattern.fanIn() >= least && pattern.fanIn() < least + pattern.banks(),
            format + " " + pattern);
        assertEquals(format.groupRows(), pattern.groupRows());
        assertEquals(format.bankColumns() == 0 ? 1 : 2, pattern.banks());
      }
    }
  }

  @Test
  void aGeometricMeanLiesBetweenItsRatios() {
    BenchRow mean = BenchRow.ofGeometricMean("s", "c", "m", new double[] {0.5, 8});
    assertEquals(2, mean.value(), 1e-12);
    assertEquals(2, mean.ratio(), 1e-12);
    assertEquals(0.5, mean.min());
    assertEquals(8, mean.max());
    for (double one = 0.1; one < 20; one += 0.1) { // would fail where rounding leaves the range
      assertEquals(one, BenchRow.ofGeometricMean("s", "c", "m", new double[] {one}).value());
    }
  }
}
