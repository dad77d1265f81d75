package dev.sparrow.bench;

import dev.sparrow.train.MetricsRow;
import dev.sparrow.train.MetricsSink;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;

/** From the rows of a run, one of each step: a line for each epoch, and what the outcome tells. */
final class ResNetProgress implements MetricsSink {
  private static final String RANK = "rank.";

  /** One pass over the data; the loss is the mean of its steps. */
  record Epoch(double loss, double seconds, double imagesPerSecond) {}

  /** Steps of one kind. */
  private static final class Steps {
    private long count;
    private double seconds;

    void add(double took) {
      count++;
      seconds += took;
    }

    double mean() {
      return count == 0 ? Double.NaN : seconds / count;
    }
  }

  private final String name;
  private final long stepsPerEpoch;
  private final Consumer<String> told;
  private final List<Epoch> epochs = new ArrayList<>();
  private final Steps before = new Steps();
  private final Steps after = new Steps();
  private double switchSeconds; // of the step that switched
  private double dataWaitSeconds;
  private double epochLoss; // sum over the steps of this epoch
  private double epochSeconds;
  private long steps;
  private MetricsRow newest; // null before there is one

  /**
   * @param told the lines
   */
  ResNetProgress(String name, long stepsPerEpoch, Consumer<String> told) {
    this.name = name;
    this.stepsPerEpoch = stepsPerEpoch;
    this.told = told;
  }

  @Override
  public void start(long done, long all) {
    steps = all;
  }

  @Override
  public void row(MetricsRow row) {
    boolean hadSwitched = newest != null && switchedAt() >= 0;
    long trained = newest == null ? 0 : newest.trained();
    double seconds = (row.trained() - trained) / row.unitsPerSecond();
    newest = row;
    if (hadSwitched || switchedAt() == 0) {
      after.add(seconds);
    } else if (switchedAt() < 0) {
      before.add(seconds);
    } else {
      switchSeconds = seconds;
    }
    dataWaitSeconds += row.dataWaitShare() * seconds;
    epochLoss += row.loss();
    epochSeconds += seconds;
    if (row.step() % stepsPerEpoch == 0) {
      endEpoch(row);
    }
  }

  private void endEpoch(MetricsRow row) {
    double images = (double) row.trained() / row.step() * stepsPerEpoch;
    Epoch epoch = new Epoch(epochLoss / stepsPerEpoch, epochSeconds, images / epochSeconds);
    epochs.add(epoch);
    epochLoss = 0;
    epochSeconds = 0;
    told.accept(
        String.format(
            Locale.ROOT,
            "%s  epoch %d of %d  loss %.4f  %.3f s  %,.0f images/s  rate %.4f  %,.0f parameters%s",
            name,
            epochs.size(),
            steps / stepsPerEpoch,
            epoch.loss(),
            epoch.seconds(),
            epoch.imagesPerSecond(),
            row.learningRate(),
            figure("parameters", Double.NaN),
            state()));
  }

  /** Of the low-rank method; empty for another. */
  private String state() {
    if (switchedAt() >= 0) {
      return String.format(
          Locale.ROOT, "  switched after step %d, %d layers", switchedAt(), lowRankLayers());
    }
    double rank = figure("stable_rank", Double.NaN);
    return Double.isNaN(rank) ? "" : String.format(Locale.ROOT, "  stable rank %.1f", rank);
  }

  private double figure(String figure, double otherwise) {
    return newest.figures().getOrDefault(figure, otherwise);
  }

  List<Epoch> epochs() {
    return epochs;
  }

  /** Seconds of an epoch of steps before the switch, measurements included; NaN without one. */
  double epochSecondsBefore() {
    return stepsPerEpoch * before.mean();
  }

  /** The same of steps after it. */
  double epochSecondsAfter() {
    return stepsPerEpoch * after.mean();
  }

  /** Of the step that switched, all of it; 0: none did. */
  double switchSeconds() {
    return switchSeconds;
  }

  /** That the trainer waited for batches. */
  double dataWaitSeconds() {
    return dataWaitSeconds;
  }

  /** Of measurements and switch together. */
  double detectorSeconds() {
    return figure("detector_seconds", 0);
  }

  /** Updates done before the switch; -1: there was none. */
  long switchedAt() {
    return Math.round(figure("switched_at", -1));
  }

  long lowRankLayers() {
    return Math.round(figure("low_rank_layers", 0));
  }

  /** Of the layers that have factors, by name. */
  Map<String, Integer> ranks() {
    Map<String, Integer> ranks = new TreeMap<>();
    newest
        .figures()
        .forEach(
            (figure, value) -> {
              if (figure.startsWith(RANK)) {
                ranks.put(figure.substring(RANK.length()), (int) Math.round(value));
              }
            });
    return ranks;
  }
}
