package dev.sparrow.bench;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What a run of {@link ResNetGpuRun} came to.
 *
 * @param parameters at the end
 * @param wallSeconds of training, its data, measurements and switch included, evaluation left out
 * @param epochSecondsBefore of an epoch of steps before the switch; of full rank all; NaN: none
 * @param epochSecondsAfter of an epoch of steps after it; NaN: none
 * @param switchSeconds of the one step that switched
 * @param detectorSeconds of measurements and the switch
 * @param dataWaitSeconds that the GPU's thread waited for batches
 * @param imagesPerSecond over the wall time
 * @param validationAccuracy share of held-out training images, after the last step
 * @param testAccuracy share of test images, after the last step
 * @param switchedAt updates done before the switch; -1: none
 * @param switchEpoch the same in epochs; -1: none
 * @param ranks of layers that have factors
 */
record ResNetOutcome(
    ResNetMode mode,
    int epochs,
    long steps,
    long parameters,
    double wallSeconds,
    double epochSecondsBefore,
    double epochSecondsAfter,
    double switchSeconds,
    double detectorSeconds,
    double dataWaitSeconds,
    double imagesPerSecond,
    double validationAccuracy,
    double testAccuracy,
    long switchedAt,
    double switchEpoch,
    Map<String, Integer> ranks,
    List<ResNetProgress.Epoch> perEpoch) {
  private static final double PERCENT = 100;

  /**
   * A form beside full rank.
   *
   * @param parametersRatio full rank's over the form's
   * @param pointsLost of test accuracy, in percentage points; negative: gained
   * @param validationPointsLost the same of held-out training images
   * @param wallRatio full rank's over the form's
   */
  record Ratios(
      ResNetMode mode,
      double parametersRatio,
      double pointsLost,
      double validationPointsLost,
      double wallRatio) {
    private static final double SMALLER = 5.6;
    private static final double POINTS = 0.5;
    private static final double FASTER = 1.2;

    static Ratios of(ResNetOutcome low, ResNetOutcome full) {
      return new Ratios(
          low.mode,
          (double) full.parameters / low.parameters,
          PERCENT * (full.testAccuracy - low.testAccuracy),
          PERCENT * (full.validationAccuracy - low.validationAccuracy),
          full.wallSeconds / low.wallSeconds);
    }

    @JsonProperty
    boolean smallEnough() {
      return parametersRatio >= SMALLER;
    }

    @JsonProperty
    boolean goodEnough() {
      return pointsLost <= POINTS;
    }

    @JsonProperty
    boolean fastEnough() {
      return wallRatio >= FASTER;
    }

    List<String> lines() {
      String name = mode.word();
      return List.of(
          String.format(
              Locale.ROOT,
              "%s, parameters, full over low: %.2fx (goal at least %.1fx: %s)",
              name,
              parametersRatio,
              SMALLER,
              word(smallEnough())),
          String.format(
              Locale.ROOT,
              "%s, points of test accuracy lost: %.2f (goal at most %.1f: %s); of validation: %.2f",
              name,
              pointsLost,
              POINTS,
              word(goodEnough()),
              validationPointsLost),
          String.format(
              Locale.ROOT,
              "%s, wall time, full over low: %.2fx (goal at least %.1fx: %s)",
              name,
              wallRatio,
              FASTER,
              word(fastEnough())));
    }

    private static String word(boolean met) {
      return met ? "met" : "missed";
    }
  }

  /** Of all forms but full rank; empty without full rank. */
  static List<Ratios> ratios(List<ResNetOutcome> outcomes) {
    return outcomes.stream()
        .filter(outcome -> outcome.mode == ResNetMode.FULL)
        .findFirst()
        .map(
            full ->
                outcomes.stream()
                    .filter(outcome -> outcome.mode != ResNetMode.FULL)
                    .map(low -> Ratios.of(low, full))
                    .toList())
        .orElse(List.of());
  }

  /** A table in Markdown, a row for each, then their ranks. */
  static List<String> table(List<ResNetOutcome> outcomes) {
    List<String> lines = new ArrayList<>();
    lines.add(
        "| mode | epochs | parameters | wall, s | epoch before / after the switch, s | images/s | validation, % | test, % | switch, epoch | detector, switch step, wait for data, s |");
    lines.add("|---|---|---|---|---|---|---|---|---|---|");
    outcomes.forEach(outcome -> lines.add(outcome.line()));
    for (ResNetOutcome outcome : outcomes) {
      if (!outcome.ranks.isEmpty()) {
        lines.add("%s, ranks: %s".formatted(outcome.mode.word(), outcome.ranks));
      }
    }
    return lines;
  }

  /** A row of the table. */
  String line() {
    return String.format(
        Locale.ROOT,
        "| %s | %d | %,d | %.2f | %s / %s | %,.0f | %.2f | %.2f | %s | %.2f, %.2f, %.2f |",
        mode.word(),
        epochs,
        parameters,
        wallSeconds,
        seconds(epochSecondsBefore),
        seconds(epochSecondsAfter),
        imagesPerSecond,
        PERCENT * validationAccuracy,
        PERCENT * testAccuracy,
        switchedAt < 0 ? "" : String.format(Locale.ROOT, "%.1f", switchEpoch),
        detectorSeconds,
        switchSeconds,
        dataWaitSeconds);
  }

  private static String seconds(double seconds) {
    return Double.isNaN(seconds) ? "" : String.format(Locale.ROOT, "%.3f", seconds);
  }
}
