package dev.sparrow.spark.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.bench.BenchRow;
import dev.sparrow.spark.bench.CuttlefishTask.Quality;
import dev.sparrow.spark.bench.FormComparison.Outcome;
import java.util.List;
import org.junit.jupiter.api.Test;

class CuttlefishTableTest {
  private static CuttlefishRun run(
      LowRankForm form, long seed, double test, long parameters, double seconds, long switchedAt) {
    return new CuttlefishRun(
        "mlp, " + form.label(),
        seed,
        "settings",
        test + 0.01,
        test,
        parameters,
        1000,
        seconds,
        switchedAt < 0 ? 0 : 0.5,
        200,
        switchedAt,
        switchedAt == 0 ? Double.NaN : 20,
        switchedAt < 0 ? Double.NaN : 10,
        switchedAt < 0 ? 0 : 2,
        switchedAt < 0 ? Double.NaN : 0.3);
  }

  private static CuttlefishTable table(CuttlefishTask task, int seeds, List<CuttlefishRun> made) {
    List<LowRankForm> forms = List.of(LowRankForm.FULL, LowRankForm.AUTO, LowRankForm.QUARTER);
    CuttlefishPlan plan = new CuttlefishPlan(List.of(task), forms, seeds, 1);
    SeedRuns<CuttlefishCase, CuttlefishRun> runs = new SeedRuns<>(plan.cases(), seeds);
    for (int i = 0; i < made.size(); i++) {
      runs.add(runs.cells().get(i), made.get(i));
    }
    return new CuttlefishTable(plan, runs);
  }

  /** A slow second seed: walls are compared within a seed. */
  private static CuttlefishTable images() {
    return table(
        CuttlefishTask.MLP,
        2,
        List.of(
            run(LowRankForm.FULL, 1, 0.50, 1000, 100, -1),
            run(LowRankForm.AUTO, 1, 0.50, 300, 80, 80),
            run(LowRankForm.QUARTER, 1, 0.48, 250, 60, 0),
            run(LowRankForm.FULL, 2, 0.52, 1000, 200, -1),
            run(LowRankForm.AUTO, 2, 0.512, 320, 160, 100),
            run(LowRankForm.QUARTER, 2, 0.49, 250, 120, 0)));
  }

  @Test
  void formsStandUnderEachOtherWithTheirSharesOfFullRank() {
    // Half widths: t of one degree of freedom, 12.706, times half of the difference.
    assertEquals(
        List.of(
            "",
            "### mlp",
            "",
            "| form | parameters (of full rank) | test accuracy, % | validation | wall, s, median (of full rank) | switch, % of steps | detector and switch, % of wall | step before / after, ms |",
            "|---|---|---|---|---|---|---|---|",
            "| full rank | 1,000 (1.00x) | 51.00 ± 12.71 | 52.00 ± 12.71 | 150.0 (1.00x) |  | 0.00 | 20.0 /  |",
            "| automatic | 310 (0.31x) | 50.60 ± 7.62 | 51.60 ± 7.62 | 120.0 (0.80x) | 45 | 0.47 | 20.0 / 10.0 |",
            "| fixed, 1/4 | 250 (0.25x) | 48.50 ± 6.35 | 49.50 ± 6.35 | 90.0 (0.60x) | 0 | 0.63 |  / 10.0 |"),
        images().markdown());
  }

  @Test
  void verdictsTellEveryComparisonAndGoal() {
    assertEquals(
        List.of(
            "",
            "mlp: automatic dominates full rank: test accuracy -0.40 points (equal up to 0.50), parameters 0.310x, wall 0.80x",
            "mlp: automatic and fixed, 1/4, neither dominates: test accuracy +2.10 points (equal up to 0.50), parameters 1.240x, wall 1.33x",
            "mlp, goal: loss of accuracy at most 0.5 points: 0.40 points: met",
            "mlp, goal: parameters at most 1.020x of full rank: 0.310x: met",
            "mlp, goal: wall time at most 1.020x of full rank: 0.800x: met",
            "mlp, goal: wall time at most 0.833x of full rank: 0.800x: met",
            "4 of 4 goals are met"),
        images().verdicts());
  }

  @Test
  void aLossIsTold() {
    CuttlefishTable lost =
        table(
            CuttlefishTask.GPT,
            1,
            List.of(
                run(LowRankForm.FULL, 1, 5, 1000, 100, -1),
                run(LowRankForm.AUTO, 1, 5.1, 1100, 110, 100),
                run(LowRankForm.QUARTER, 1, 5.05, 250, 60, 0)));
    assertEquals(
        List.of(
            "",
            "gpt: automatic is dominated by full rank: test perplexity -2.00 % (equal up to 0.00), parameters 1.100x, wall 1.10x",
            "gpt: automatic is dominated by fixed, 1/4: test perplexity -0.99 % (equal up to 0.00), parameters 4.400x, wall 1.83x",
            "gpt, goal: loss of perplexity at most 1.0 %: 2.00 %: missed",
            "gpt, goal: parameters at most 1.020x of full rank: 1.100x: missed",
            "gpt, goal: wall time at most 1.020x of full rank: 1.100x: missed",
            "gpt, goal: wall time at most 0.833x of full rank: 1.100x: missed",
            "0 of 4 goals are met"),
        lost.verdicts());
  }

  private static FormComparison comparison(
      double gain, double noise, double parameters, double wall) {
    return new FormComparison(Quality.ACCURACY, gain, noise, parameters, wall);
  }

  @Test
  void oneDominatesWhereItIsBetterInSomethingAndWorseInNothing() {
    assertEquals(Outcome.DOMINATES, comparison(-0.3, 0.3, 0.5, 1.02).outcome());
    assertEquals(Outcome.NEITHER, comparison(-0.31, 0.3, 0.5, 1).outcome());
    assertEquals(Outcome.NEITHER, comparison(0, 0.3, 0.5, 1.03).outcome());
    assertEquals(Outcome.DOMINATED, comparison(-0.31, 0.3, 1, 1).outcome());
    assertEquals(Outcome.DOMINATED, comparison(0.3, 0.3, 1.001, 1).outcome());
    assertEquals(Outcome.DOMINATED, comparison(0, 0, 1, 1.03).outcome());
    assertEquals(Outcome.DOMINATES, comparison(0.31, 0.3, 1, 1).outcome());
    assertEquals(Outcome.DOMINATES, comparison(0, 0.3, 1, 0.97).outcome());
    assertEquals(Outcome.EQUAL, comparison(0.1, 0.3, 1, 0.99).outcome());
  }

  @Test
  void scatterOfTheSeedsIsNoiseUpToTheTolerance() {
    List<CuttlefishRun> one =
        List.of(
            run(LowRankForm.AUTO, 1, 0.500, 300, 80, 80),
            run(LowRankForm.AUTO, 2, 0.501, 300, 80, 80));
    List<CuttlefishRun> near =
        List.of(
            run(LowRankForm.FULL, 1, 0.5001, 1000, 80, -1),
            run(LowRankForm.FULL, 2, 0.5012, 1000, 80, -1));
    // Gains -0.01 and -0.02 points: 12.706 times half of their difference.
    assertEquals(0.0635, FormComparison.of(Quality.ACCURACY, one, near).noise(), 1e-3);
    List<CuttlefishRun> far =
        List.of(
            run(LowRankForm.FULL, 1, 0.45, 1000, 80, -1),
            run(LowRankForm.FULL, 2, 0.55, 1000, 80, -1));
    assertEquals(0.5, FormComparison.of(Quality.ACCURACY, one, far).noise());
    assertEquals(
        0, FormComparison.of(Quality.ACCURACY, one.subList(0, 1), far.subList(0, 1)).noise());
  }

  @Test
  void whatIsNotANumberMissesItsGoal() {
    List<FormGoal> goals = FormGoal.of(comparison(Double.NaN, Double.NaN, Double.NaN, Double.NaN));
    assertEquals(4, goals.size());
    goals.forEach(goal -> assertFalse(goal.met(), goal.text()));
  }

  @Test
  void rowsCompareWithFullRankLargerIsBetter() {
    List<BenchRow> rows = images().rows("cuttlefish");
    BenchRow wall = row(rows, "mlp, automatic", "wall");
    assertEquals(120, wall.value());
    assertEquals(150, wall.baseline());
    assertEquals(1.25, wall.ratio(), 1e-9);
    BenchRow parameters = row(rows, "mlp, automatic", "parameters");
    assertEquals(1000 / 310.0, parameters.ratio(), 1e-9);
    BenchRow test = row(rows, "mlp, automatic", "test accuracy");
    assertEquals(50.6, test.value(), 1e-9);
    assertEquals(51, test.baseline(), 1e-9);
    assertEquals(50.6 / 51, test.ratio(), 1e-9);
    assertEquals(2, test.runs());
    assertNull(row(rows, "mlp, full rank", "wall").ratio());
    assertTrue(rows.stream().allMatch(row -> row.suite().equals("cuttlefish")));
  }

  @Test
  void ofPerplexityLessIsBetter() {
    CuttlefishTable text =
        table(
            CuttlefishTask.GPT,
            1,
            List.of(
                run(LowRankForm.FULL, 1, 5, 1000, 100, -1),
                run(LowRankForm.AUTO, 1, 4, 300, 80, 80),
                run(LowRankForm.QUARTER, 1, 6, 250, 60, 0)));
    assertEquals(1.25, row(text.rows("s"), "gpt, automatic", "test perplexity").ratio(), 1e-9);
    assertTrue(text.verdicts().get(1).contains("dominates full rank: test perplexity +20.00 %"));
  }

  private static BenchRow row(List<BenchRow> rows, String name, String metric) {
    return rows.stream()
        .filter(row -> row.caseName().equals(name) && row.metric().equals(metric))
        .findFirst()
        .orElseThrow();
  }
}
