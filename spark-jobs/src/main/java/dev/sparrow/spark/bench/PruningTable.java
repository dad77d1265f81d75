package dev.sparrow.spark.bench;

import dev.sparrow.bench.BenchRow;
import dev.sparrow.spark.bench.PruningCase.Pattern;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/** Results of the pruning benchmark: cases by seeds. */
final class PruningTable {
  /** A run of one case. */
  record Cell(PruningCase which, long seed) {}

  private final List<PruningCase> cases;
  private final Map<Cell, PruningRun> runs = new LinkedHashMap<>();

  PruningTable(List<PruningCase> cases, int seeds) {
    this.cases = cases;
    for (long seed = 1; seed <= seeds; seed++) {
      for (PruningCase which : cases) {
        runs.put(new Cell(which, seed), null);
      }
    }
  }

  /** Takes those of finished runs that belong here, and tells what is missing. */
  List<Cell> take(List<PruningRun> finished, Function<Cell, String> settings) {
    List<Cell> open = new ArrayList<>();
    for (Map.Entry<Cell, PruningRun> entry : runs.entrySet()) {
      Cell cell = entry.getKey();
      String digest = settings.apply(cell);
      finished.stream()
          .filter(run -> run.is(cell.which().name(), cell.seed(), digest))
          .findFirst()
          .ifPresentOrElse(entry::setValue, () -> open.add(cell));
    }
    return open;
  }

  void add(Cell cell, PruningRun run) {
    runs.put(cell, run);
  }

  /** Over the seeds of a case; null where the table has no such case. */
  private SeedMean mean(PruningCase which, ToDoubleFunction<PruningRun> figure) {
    double[] values =
        runs.entrySet().stream()
            .filter(entry -> entry.getKey().which().equals(which))
            .map(Map.Entry::getValue)
            .filter(Objects::nonNull)
            .mapToDouble(figure)
            .toArray();
    return values.length == 0 ? null : SeedMean.of(values);
  }

  /** Test accuracy in percent, patterns by shares of zeros. */
  List<String> markdown() {
    List<Integer> zeros =
        cases.stream().map(PruningCase::zeros).filter(z -> z > 0).distinct().sorted().toList();
    List<String> lines = new ArrayList<>();
    StringBuilder head = new StringBuilder("| test accuracy, % |");
    StringBuilder rule = new StringBuilder("|---|");
    for (int share : zeros) {
      head.append(' ').append(share).append("% zeros |");
      rule.append("---|");
    }
    lines.add(head.toString());
    lines.add(rule.toString());
    for (Pattern pattern : Pattern.values()) {
      if (cases.stream().anyMatch(which -> which.pattern() == pattern)) {
        lines.add(line(pattern, zeros));
      }
    }
    return lines;
  }

  private String line(Pattern pattern, List<Integer> zeros) {
    StringBuilder line = new StringBuilder("| " + pattern.label() + " |");
    for (int share : zeros) {
      boolean dense = pattern == Pattern.DENSE;
      SeedMean test =
          mean(dense ? PruningCase.DENSE : new PruningCase(pattern, share), PruningRun::test);
      line.append(' ').append(test == null ? "" : test.percent()).append(" |");
    }
    return line.toString();
  }

  /** Accuracies against those of unstructured patterns with as many zeros. */
  List<BenchRow> rows(String suite) {
    List<BenchRow> rows = new ArrayList<>();
    for (PruningCase which : cases) {
      PruningCase unstructured = new PruningCase(Pattern.UNSTRUCTURED, which.zeros());
      SeedMean baseline = mean(unstructured, PruningRun::test);
      SeedMean test = mean(which, PruningRun::test);
      boolean compared = baseline != null && !which.equals(unstructured);
      rows.add(row(suite, which, "test accuracy", test, compared ? baseline : null));
      rows.add(row(suite, which, "validation accuracy", mean(which, PruningRun::validation), null));
    }
    return rows;
  }

  private static BenchRow row(
      String suite, PruningCase which, String metric, SeedMean figure, SeedMean baseline) {
    return new BenchRow(
        suite,
        which.name(),
        metric,
        100 * figure.mean(),
        "%",
        baseline == null ? null : 100 * baseline.mean(),
        baseline == null ? null : figure.mean() / baseline.mean(),
        figure.runs(),
        100 * figure.min(),
        100 * figure.max(),
        BenchRow.cpu());
  }
}
