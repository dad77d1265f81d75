package dev.sparrow.spark.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparrow.bench.BenchRow;
import java.util.List;
import org.junit.jupiter.api.Test;

class PruningTableTest {
  private static final PruningCase UNSTRUCTURED =
      new PruningCase(PruningCase.Pattern.UNSTRUCTURED, 90);
  private static final PruningCase UNIFORM = new PruningCase(PruningCase.Pattern.UNIFORM, 90);

  private static PruningRun run(PruningCase which, long seed, double test) {
    return new PruningRun(which.name(), seed, "settings", 0.5, test, 10);
  }

  @Test
  void theTableHasEveryPatternAndShareThatIsCompared() {
    List<PruningCase> cases = PruningCase.all();
    assertEquals(1 + 2 + 3 * 5, cases.size());
    assertEquals(cases.size(), cases.stream().map(PruningCase::name).distinct().count());
  }

  @Test
  void meansAndIntervalsAreOverTheSeeds() {
    List<PruningCase> cases = List.of(UNSTRUCTURED, UNIFORM);
    SeedRuns<PruningCase, PruningRun> runs = new SeedRuns<>(cases, 3);
    for (long seed = 1; seed <= 3; seed++) {
      runs.add(
          new SeedRuns.Cell<>(UNSTRUCTURED, seed), run(UNSTRUCTURED, seed, 0.50 + 0.01 * seed));
      runs.add(new SeedRuns.Cell<>(UNIFORM, seed), run(UNIFORM, seed, 0.51));
    }
    PruningTable table = new PruningTable(cases, runs);
    // Deviation 1 point, t of two degrees of freedom 4.3027: 4.3027 / sqrt(3) = 2.48.
    assertEquals(
        List.of(
            "| test accuracy, % | 90% zeros |",
            "|---|---|", "| unstructured | 52.00 ± 2.48 |", "| uniform | 51.00 ± 0.00 |"),
        table.markdown());
    BenchRow uniform =
        table.rows("pruning").stream()
            .filter(row -> row.caseName().equals("uniform 90%"))
            .filter(row -> row.metric().equals("test accuracy"))
            .findFirst()
            .orElseThrow();
    assertEquals(51, uniform.value(), 1e-9);
    assertEquals(52, uniform.baseline(), 1e-9);
    assertEquals(3, uniform.runs());
  }
}
