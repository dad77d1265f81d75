package dev.sparrow.spark.bench;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.DoubleSupplier;

/** How long runs will take that are still to be made, by kinds of runs that take about as long. */
final class TimeLeft {
  /** Weight of the newest run: machines have other work at times. */
  private static final double NEWEST = 0.2;

  private static final class Pace {
    private double seconds; // of one run
    private boolean measured; // by a whole run, not by a trial
    private int open;
  }

  private final Map<String, Pace> paces = new LinkedHashMap<>();

  /**
   * One more run.
   *
   * @param trial tells its seconds; asked where it is the first of its pace
   */
  void toDo(String pace, DoubleSupplier trial) {
    paces.computeIfAbsent(pace, key -> tried(trial.getAsDouble())).open++;
  }

  private static Pace tried(double seconds) {
    Pace pace = new Pace();
    pace.seconds = seconds;
    return pace;
  }

  /** One of them is made. */
  void done(String name, double seconds) {
    Pace pace = paces.get(name);
    double weight = pace.measured ? NEWEST : 1;
    pace.seconds += weight * (seconds - pace.seconds);
    pace.measured = true;
    pace.open--;
  }

  double seconds() {
    return paces.values().stream().mapToDouble(pace -> pace.open * pace.seconds).sum();
  }

  /** {@code 1:02:03}. */
  @Override
  public String toString() {
    Duration time = Duration.ofSeconds(Math.round(seconds()));
    return String.format(
        Locale.ROOT, "%d:%02d:%02d", time.toHours(), time.toMinutesPart(), time.toSecondsPart());
  }
}
