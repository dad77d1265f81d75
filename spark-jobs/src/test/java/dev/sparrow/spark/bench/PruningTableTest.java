package dev.sparrow.spark.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.bench.BenchRow;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PruningTableTest {
  private static final PruningCase UNSTRUCTURED =
      new PruningCase(PruningCase.Pattern.UNSTRUCTURED, 90);
  private static final PruningCase UNIFORM = new PruningCase(PruningCase.Pattern.UNIFORM, 90);

  @TempDir Path directory;

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
  void runsOfOtherSettingsAreNotTaken() {
    PruningTable table = new PruningTable(List.of(UNSTRUCTURED, UNIFORM), 2);
    List<PruningRun> finished = List.of(run(UNSTRUCTURED, 1, 0.5), run(UNIFORM, 2, 0.5));
    List<PruningTable.Cell> open =
        table.take(finished, cell -> cell.seed() == 1 ? "settings" : "others");
    assertEquals(
        List.of(
            new PruningTable.Cell(UNIFORM, 1),
            new PruningTable.Cell(UNSTRUCTURED, 2),
            new PruningTable.Cell(UNIFORM, 2)),
        open);
  }

  @Test
  void meansAndIntervalsAreOverTheSeeds() {
    PruningTable table = new PruningTable(List.of(UNSTRUCTURED, UNIFORM), 3);
    for (long seed = 1; seed <= 3; seed++) {
      table.add(
          new PruningTable.Cell(UNSTRUCTURED, seed), run(UNSTRUCTURED, seed, 0.50 + 0.01 * seed));
      table.add(new PruningTable.Cell(UNIFORM, seed), run(UNIFORM, seed, 0.51));
    }
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

  @Test
  void finishedRunsAreFoundAgain() throws IOException {
    Path file = directory.resolve("work/runs.jsonl");
    RunLog<PruningRun> log = new RunLog<>(file, PruningRun.class);
    log.add(run(UNIFORM, 1, 0.25));
    log.add(run(UNIFORM, 2, 0.75));
    assertEquals(log.runs(), new RunLog<>(file, PruningRun.class).runs());
    assertEquals(0.75, new RunLog<>(file, PruningRun.class).runs().get(1).test());
    Files.writeString(file, "{torn\n");
    Exception error =
        assertThrows(IllegalArgumentException.class, () -> new RunLog<>(file, PruningRun.class));
    assertTrue(error.getMessage().contains("expected a finished run a line"), error.getMessage());
  }
}
