package dev.sparrow.spark.bench;

import dev.sparrow.bench.BenchRow;
import dev.sparrow.spark.bench.CuttlefishTask.Quality;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Results of the low-rank benchmark: a table for each task, forms by figures. */
record CuttlefishTable(CuttlefishPlan plan, SeedRuns<CuttlefishCase, CuttlefishRun> runs) {
  private static final String RULE = "|---|---|---|---|---|---|---|---|";

  /** For all tasks, each table under a heading. */
  List<String> markdown() {
    List<String> lines = new ArrayList<>();
    for (CuttlefishTask task : plan.tasks()) {
      String quality = task.quality() == Quality.ACCURACY ? "accuracy, %" : "perplexity";
      lines.add("");
      lines.add("### " + task.word());
      lines.add("");
      lines.add(
          "| form | parameters (of full rank) | test "
              + quality
              + " | validation | wall, s, median (of full rank) | switch, % of steps | detector and switch, % of wall | step before / after, ms |");
      lines.add(RULE);
      for (LowRankForm form : plan.forms()) {
        lines.add(line(task, form));
      }
    }
    return lines;
  }

  /** Of automatic rank against all other forms and the goals, task by task. */
  List<String> verdicts() {
    List<String> lines = new ArrayList<>(List.of(""));
    int goals = 0;
    int met = 0;
    for (CuttlefishTask task : plan.tasks()) {
      for (LowRankForm form : plan.forms()) {
        if (form != LowRankForm.AUTO) {
          lines.add(
              task.word() + ": automatic " + between(task, LowRankForm.AUTO, form).verdict(form));
        }
      }
      for (FormGoal goal : FormGoal.of(between(task, LowRankForm.AUTO, LowRankForm.FULL))) {
        lines.add(task.word() + ", goal: " + goal.text());
        goals++;
        met += goal.met() ? 1 : 0;
      }
    }
    lines.add("%d of %d goals are met".formatted(met, goals));
    return lines;
  }

  private List<CuttlefishRun> of(CuttlefishTask task, LowRankForm form) {
    return runs.of(new CuttlefishCase(task, form));
  }

  private FormComparison between(CuttlefishTask task, LowRankForm one, LowRankForm other) {
    return FormComparison.of(task.quality(), of(task, one), of(task, other));
  }

  private String line(CuttlefishTask task, LowRankForm form) {
    CuttlefishCase which = new CuttlefishCase(task, form);
    FormComparison full = between(task, form, LowRankForm.FULL);
    return String.format(
        Locale.ROOT,
        "| %s | %,.0f (%.2fx) | %s | %s | %.1f (%.2fx) | %s | %.2f | %s / %s |",
        form.label(),
        runs.mean(which, CuttlefishRun::parameters).mean(),
        full.parameters(),
        task.quality().text(runs.mean(which, CuttlefishRun::test)),
        task.quality().text(runs.mean(which, CuttlefishRun::validation)),
        median(task, form),
        full.wall(),
        switched(task, form),
        100 * runs.mean(which, run -> run.detectorSeconds() / run.seconds()).mean(),
        millis(runs.mean(which, CuttlefishRun::millisBefore)),
        millis(runs.mean(which, CuttlefishRun::millisAfter)));
  }

  private double median(CuttlefishTask task, LowRankForm form) {
    return BenchRow.median(of(task, form).stream().mapToDouble(CuttlefishRun::seconds).toArray());
  }

  /** Mean over the seeds that switched, and how many those are where others did not. */
  private String switched(CuttlefishTask task, LowRankForm form) {
    List<CuttlefishRun> all = of(task, form);
    double[] shares =
        all.stream()
            .filter(CuttlefishRun::hasSwitched)
            .mapToDouble(run -> (double) run.switchedAt() / run.steps())
            .toArray();
    if (shares.length == 0) {
      return "";
    }
    String mean = String.format(Locale.ROOT, "%.0f", 100 * SeedMean.of(shares).mean());
    return shares.length == all.size()
        ? mean
        : mean + " (" + shares.length + " of " + all.size() + " seeds)";
  }

  private static String millis(SeedMean mean) {
    return Double.isNaN(mean.mean()) ? "" : String.format(Locale.ROOT, "%.1f", mean.mean());
  }

  /** All figures against those of full rank, as they stand in the tables. */
  List<BenchRow> rows(String suite) {
    List<BenchRow> rows = new ArrayList<>();
    for (CuttlefishCase which : plan.cases()) {
      Quality quality = which.task().quality();
      FormComparison full = between(which.task(), which.form(), LowRankForm.FULL);
      CuttlefishRows of = new CuttlefishRows(suite, which, runs);
      rows.add(of.quality("test " + quality.word(), CuttlefishRun::test));
      rows.add(of.quality("validation " + quality.word(), CuttlefishRun::validation));
      rows.add(of.mean("parameters", "", CuttlefishRun::parameters, 1 / full.parameters()));
      rows.add(of.median("wall", "s", CuttlefishRun::seconds, 1 / full.wall()));
      rows.add(
          of.mean(
              "detector and switch of wall",
              "%",
              run -> 100 * run.detectorSeconds() / run.seconds(),
              null));
    }
    return rows;
  }
}
