package dev.sparrow.spark.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.model.Unit;
import dev.sparrow.train.MetricsRow;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SwitchFiguresTest {
  private static final Map<String, Double> WHOLE =
      Map.of("parameters", 1000.0, "detector_seconds", 0.1, "low_rank_layers", 0.0);
  private static final Map<String, Double> FACTORED =
      Map.of(
          "parameters",
          400.0,
          "detector_seconds",
          0.7,
          "low_rank_layers",
          2.0,
          "switched_at",
          5.0,
          "rank_share",
          0.25);

  private static MetricsRow row(long step, double imagesPerSecond, Map<String, Double> figures) {
    double none = Double.NaN;
    return new MetricsRow(
        step, 0, Unit.SAMPLES, 10 * step, 1, 1, 1, imagesPerSecond, 0, 0, none, none, figures);
  }

  @Test
  void stepsBeforeAndAfterTheSwitchAreTimedApart() {
    SwitchFigures figures = new SwitchFigures();
    figures.row(row(2, 100, WHOLE)); // 20 images: 200 ms
    figures.row(row(4, 200, WHOLE)); // 100 ms
    figures.row(row(6, 1, FACTORED)); // with the switch
    figures.row(row(8, 400, FACTORED)); // 50 ms
    assertEquals(75, figures.millisBefore(), 1e-9);
    assertEquals(25, figures.millisAfter(), 1e-9);
    assertEquals(5, figures.switchedAt());
    assertEquals(0.7, figures.detectorSeconds());
    assertEquals(2, figures.lowRankLayers());
    assertEquals(0.25, figures.rankShare());
    assertEquals(1000, figures.startParameters());
  }

  @Test
  void aRunWithoutASwitchHasStepsBeforeItAlone() {
    SwitchFigures figures = new SwitchFigures();
    figures.row(row(1, 100, Map.of("parameters", 1000.0)));
    assertEquals(100, figures.millisBefore(), 1e-9);
    assertTrue(Double.isNaN(figures.millisAfter()));
    assertEquals(-1, figures.switchedAt());
    assertEquals(0, figures.detectorSeconds());
  }

  @Test
  void factorsFromTheStartHaveStepsAfterTheSwitchAlone() {
    Map<String, Double> fixed = Map.of("parameters", 400.0, "switched_at", 0.0);
    SwitchFigures figures = new SwitchFigures();
    figures.row(row(1, 100, fixed));
    figures.row(row(2, 100, fixed));
    assertTrue(Double.isNaN(figures.millisBefore()));
    assertEquals(100, figures.millisAfter(), 1e-9);
    assertEquals(0, figures.switchedAt());
  }
}
