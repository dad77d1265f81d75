package dev.sparrow.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cpu.CpuBackend;
import java.util.List;
import org.junit.jupiter.api.Test;

class MlpBenchTest {
  @Test
  void sparsePerceptronsAreMeasuredAgainstTheDenseOneOfTheirSize() {
    try (Backend backend = new CpuBackend(2)) {
      List<BenchRow> rows = new MlpBench(BenchDevice.of(backend), 1, 2).run();
      assertEquals(
          List.of(
              "mlp-784",
              "mlp-784-90",
              "mlp-784-90-g4",
              "mlp-3072",
              "mlp-3072-90",
              "mlp-3072-90-g4"),
          rows.stream().map(BenchRow::caseName).toList());
      for (BenchRow row : rows) {
        assertTrue(row.value() > 0, row::toString);
        if (row.caseName().contains("-90")) {
          assertNotNull(row.baseline(), row::toString);
          assertEquals(row.value() / row.baseline(), row.ratio(), 1e-9);
        } else {
          assertNull(row.baseline(), row::toString);
        }
      }
    }
  }

  @Test
  void aSparsePerceptronLearnsTheBatch() {
    try (Backend backend = new CpuBackend(2);
        WholeStep step = MlpCase.SMALL.get(2).step(backend)) {
      double first = step.run();
      double last = first;
      for (int i = 0; i < 10; i++) {
        last = step.run();
      }
      assertTrue(last < 0.5 * first, first + " to " + last);
    }
  }
}
