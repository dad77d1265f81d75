package dev.sparrow.spark.bench;

import dev.sparrow.bench.BenchRow;
import dev.sparrow.spark.bench.CuttlefishTask.Quality;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * One form of a task against another, runs of equal seeds side by side.
 *
 * @param gain mean over the seeds of how much better the test figure is, in the quality's unit
 * @param noise gains up to this size, either way, count as none: half the width of their 95%
 *     interval over the seeds, at most the quality's tolerance; 0 of a single seed
 * @param parameters mean at the end, over the other's
 * @param wall median over the seeds of the wall time over the other's
 */
record FormComparison(Quality quality, double gain, double noise, double parameters, double wall) {
  /** Wall times within this factor count as equal. */
  static final double EQUAL_WALL = 1.02;

  /** Who is better in one figure at least and worse in none. */
  enum Outcome {
    DOMINATES,
    DOMINATED,
    EQUAL,
    /** Each is better in something. */
    NEITHER
  }

  /**
   * @param one runs in the order of seeds
   * @param other runs of the same seeds
   */
  static FormComparison of(Quality quality, List<CuttlefishRun> one, List<CuttlefishRun> other) {
    int seeds = one.size();
    double[] gains =
        IntStream.range(0, seeds)
            .mapToDouble(i -> quality.gain(one.get(i).test(), other.get(i).test()))
            .toArray();
    double[] walls =
        IntStream.range(0, seeds)
            .mapToDouble(i -> one.get(i).seconds() / other.get(i).seconds())
            .toArray();
    SeedMean gain = SeedMean.of(gains);
    return new FormComparison(
        quality,
        gain.mean(),
        seeds == 1 ? 0 : Math.min(gain.halfWidth(), quality.tolerance()),
        parameters(one) / parameters(other),
        BenchRow.median(walls));
  }

  private static double parameters(List<CuttlefishRun> runs) {
    return SeedMean.of(runs.stream().mapToDouble(CuttlefishRun::parameters).toArray()).mean();
  }

  /** By test figure, parameters and wall time. */
  Outcome outcome() {
    boolean better = gain > noise || parameters < 1 || wall < 1 / EQUAL_WALL;
    boolean worse = gain < -noise || parameters > 1 || wall > EQUAL_WALL;
    if (better == worse) {
      return better ? Outcome.NEITHER : Outcome.EQUAL;
    }
    return better ? Outcome.DOMINATES : Outcome.DOMINATED;
  }

  /** In words that follow the name of the one. */
  String verdict(LowRankForm other) {
    String words =
        switch (outcome()) {
          case DOMINATES -> "dominates " + other.label();
          case DOMINATED -> "is dominated by " + other.label();
          case EQUAL -> "equals " + other.label();
          case NEITHER -> "and " + other.label() + ", neither dominates";
        };
    return String.format(
        Locale.ROOT,
        "%s: test %s %+.2f %s (equal up to %.2f), parameters %.3fx, wall %.2fx",
        words,
        quality.word(),
        gain,
        quality.unit(),
        noise,
        parameters,
        wall);
  }
}
