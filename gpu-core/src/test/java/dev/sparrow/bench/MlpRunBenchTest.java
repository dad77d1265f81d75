package dev.sparrow.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cpu.CpuBackend;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class MlpRunBenchTest {
  @Test
  void wholeRunsAreMeasuredWithTheirUpdates() {
    try (Backend backend = new CpuBackend(2)) {
      List<BenchRow> rows = new MlpRunBench(BenchDevice.of(backend)).run(MlpCase.smallRuns(8));
      assertEquals(13, rows.size());
      Map<String, BenchRow> runs =
          rows.stream()
              .filter(row -> row.metric().equals("run"))
              .collect(Collectors.toMap(BenchRow::caseName, row -> row));
      double dense = runs.get("mlp-784-run").value();
      for (BenchRow row : rows) {
        if (row.metric().equals("updates")) {
          assertTrue(row.value() > 0 && row.value() < 100, row::toString);
          BenchRow run = runs.get(row.caseName());
          assertEquals(dense / run.value(), run.ratio(), 1e-9);
        }
      }
    }
  }

  /** 8 steps end in pruning at the sixth. */
  @Test
  void aGradualRunEndsWithItsShareOfZeros() {
    MlpCase which = MlpCase.smallRuns(8).get(5);
    assertEquals("mlp-784-gradual-75", which.name());
    try (Backend backend = new CpuBackend(2);
        WholeStep step = which.step(backend)) {
      step.begin();
      double first = step.run();
      double last = first;
      for (int i = 1; i < 8; i++) {
        last = step.run();
      }
      assertEquals(0.75, step.figure("sparsity"), 0.01);
      assertEquals(2, step.figure("pattern_updates"));
      assertTrue(last < first, first + " to " + last);
    }
  }
}
