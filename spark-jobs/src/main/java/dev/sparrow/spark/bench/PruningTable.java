package dev.sparrow.spark.bench;

import dev.sparrow.bench.BenchRow;
import dev.sparrow.spark.bench.PruningCase.Pattern;
import java.util.ArrayList;
import java.util.List;

/**
 * Results of the pruning benchmark: cases by seeds.
 *
 * @param cases rows and columns
 */
record PruningTable(List<PruningCase> cases, SeedRuns<PruningCase, PruningRun> runs) {
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
          runs.mean(dense ? PruningCase.DENSE : new PruningCase(pattern, share), PruningRun::test);
      line.append(' ').append(test == null ? "" : test.percent()).append(" |");
    }
    return line.toString();
  }

  /** Accuracies against those of unstructured patterns with as many zeros. */
  List<BenchRow> rows(String suite) {
    List<BenchRow> rows = new ArrayList<>();
    for (PruningCase which : cases) {
      PruningCase unstructured = new PruningCase(Pattern.UNSTRUCTURED, which.zeros());
      SeedMean baseline = runs.mean(unstructured, PruningRun::test);
      SeedMean test = runs.mean(which, PruningRun::test);
      boolean compared = baseline != null && !which.equals(unstructured);
      rows.add(row(suite, which, "test accuracy", test, compared ? baseline : null));
      rows.add(
          row(suite, which, "validation accuracy", runs.mean(which, PruningRun::validation), null));
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
