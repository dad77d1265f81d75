package dev.sparrow.spark.bench;

import java.util.List;
import java.util.Locale;

/**
 * What automatic rank is to reach.
 *
 * @param what and how much, in words
 * @param reached in words
 */
record FormGoal(String what, String reached, boolean met) {
  /** Of parameters and wall time, in any case. */
  private static final double NOT_MORE = 1.02;

  private static final double FASTER = 1.2;

  /** Those of a comparison with full rank; a figure that is not a number misses its goal. */
  static List<FormGoal> of(FormComparison full) {
    double loss = -full.gain();
    double allowed = full.quality().tolerance();
    String unit = full.quality().unit();
    return List.of(
        new FormGoal(
            format("loss of %s at most %.1f %s", full.quality().word(), allowed, unit),
            format("%.2f %s", loss, unit),
            loss <= allowed),
        ratio("parameters", NOT_MORE, full.parameters()),
        ratio("wall time", NOT_MORE, full.wall()),
        ratio("wall time", 1 / FASTER, full.wall()));
  }

  private static FormGoal ratio(String what, double allowed, double reached) {
    return new FormGoal(
        format("%s at most %.3fx of full rank", what, allowed),
        format("%.3fx", reached),
        reached <= allowed);
  }

  private static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }

  String text() {
    return what + ": " + reached + ": " + (met ? "met" : "missed");
  }
}
