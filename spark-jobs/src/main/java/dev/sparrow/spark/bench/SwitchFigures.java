package dev.sparrow.spark.bench;

import dev.sparrow.train.MetricsRow;
import dev.sparrow.train.MetricsSink;

/** What the rows of a run tell of its switch to factors, and of its steps before and after. */
final class SwitchFigures implements MetricsSink {
  private static final double MILLIS_PER_SECOND = 1e3;

  /** Steps of some rows. */
  private static final class Steps {
    private long count;
    private double seconds;

    void add(long steps, double took) {
      count += steps;
      seconds += took;
    }

    double millis() {
      return count == 0 ? Double.NaN : MILLIS_PER_SECOND * seconds / count;
    }
  }

  private final Steps before = new Steps();
  private final Steps after = new Steps();
  private MetricsRow first; // null before there is one
  private MetricsRow newest;

  @Override
  public void row(MetricsRow row) {
    long last = newest == null ? 0 : newest.step();
    long trained = newest == null ? 0 : newest.trained();
    if (first == null) {
      first = row;
    }
    newest = row;
    double seconds = (row.trained() - trained) / row.unitsPerSecond();
    // Steps among which the switch came belong to neither.
    if (switchedAt() < 0) {
      before.add(row.step() - last, seconds);
    } else if (last >= switchedAt()) {
      after.add(row.step() - last, seconds);
    }
  }

  /** Mean milliseconds of the steps before the switch; NaN where none was. */
  double millisBefore() {
    return before.millis();
  }

  /** The same after it. */
  double millisAfter() {
    return after.millis();
  }

  /** Updates done before the switch; -1: there was none. */
  long switchedAt() {
    return Math.round(figure("switched_at", -1));
  }

  /** Of measurements and switch together. */
  double detectorSeconds() {
    return figure("detector_seconds", 0);
  }

  long lowRankLayers() {
    return Math.round(figure("low_rank_layers", 0));
  }

  /** Mean of ranks over full rank; NaN without factors. */
  double rankShare() {
    return figure("rank_share", Double.NaN);
  }

  /** Of the first row. */
  long startParameters() {
    return Math.round(first.figures().get("parameters"));
  }

  private double figure(String name, double otherwise) {
    return newest.figures().getOrDefault(name, otherwise);
  }
}
