package dev.sparrow.spark.bench;

import dev.sparrow.bench.BenchRow;
import dev.sparrow.spark.bench.CuttlefishTask.Quality;
import java.util.function.ToDoubleFunction;

/** Rows of one case of the low-rank benchmark, against full rank. */
record CuttlefishRows(
    String suite, CuttlefishCase which, SeedRuns<CuttlefishCase, CuttlefishRun> runs) {

  /** Mean of an accuracy in percent, or of a perplexity. */
  BenchRow quality(String metric, ToDoubleFunction<CuttlefishRun> figure) {
    boolean accuracy = which.task().quality() == Quality.ACCURACY;
    ToDoubleFunction<CuttlefishRun> scaled =
        run -> (accuracy ? 100 : 1) * figure.applyAsDouble(run);
    double ratio = runs.mean(which, figure).mean() / runs.mean(full(), figure).mean();
    return mean(metric, accuracy ? "%" : "", scaled, accuracy ? ratio : 1 / ratio);
  }

  /**
   * @param ratio over full rank, larger is better; null: not compared
   */
  BenchRow mean(String metric, String unit, ToDoubleFunction<CuttlefishRun> figure, Double ratio) {
    double full = runs.mean(full(), figure).mean();
    return row(
        metric, unit, runs.mean(which, figure), runs.mean(which, figure).mean(), full, ratio);
  }

  /** The same of a median. */
  BenchRow median(
      String metric, String unit, ToDoubleFunction<CuttlefishRun> figure, Double ratio) {
    double full = median(full(), figure);
    return row(metric, unit, runs.mean(which, figure), median(which, figure), full, ratio);
  }

  private BenchRow row(
      String metric, String unit, SeedMean seeds, double value, double full, Double ratio) {
    boolean compared = ratio != null && which.form() != LowRankForm.FULL;
    return new BenchRow(
        suite,
        which.name(),
        metric,
        value,
        unit,
        compared ? (Double) full : null,
        compared ? ratio : null,
        seeds.runs(),
        seeds.min(),
        seeds.max(),
        BenchRow.cpu());
  }

  private CuttlefishCase full() {
    return new CuttlefishCase(which.task(), LowRankForm.FULL);
  }

  private double median(CuttlefishCase of, ToDoubleFunction<CuttlefishRun> figure) {
    return BenchRow.median(runs.of(of).stream().mapToDouble(figure).toArray());
  }
}
