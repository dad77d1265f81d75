package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Backend;
import dev.sparrow.collective.Collective;
import dev.sparrow.config.Cuttlefish;
import dev.sparrow.config.RunConfig;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Measures the stable ranks of all layers in the course of a run, and tells when to switch. */
final class StableRankWatch {
  /** Of the paper: ranks an epoch. */
  private static final double PAPER_TOLERANCE = 0.1;

  /** Of a run, for auto: the detector's window is then a tenth of it. */
  private static final int MEASUREMENTS = 50;

  private final Cuttlefish settings;
  private final long steps;
  private final int warmupSteps;
  private final List<FactorizableWeight> weights;
  private final StableRank stableRank;
  private final StableRankDetector detector;
  private long every; // steps from one measurement to the next
  private double span; // the same in the unit of the rule: runs, or epochs

  /**
   * @param weights may be added to until the first step
   */
  StableRankWatch(Backend backend, RunConfig config, List<FactorizableWeight> weights) {
    this.settings = config.cuttlefish();
    this.steps = config.train().steps();
    this.warmupSteps = config.schedule().warmupSteps();
    this.weights = weights;
    this.stableRank = new StableRank(backend);
    this.detector =
        settings.rule() == Cuttlefish.Rule.PAPER
            ? StableRankDetector.absolute(PAPER_TOLERANCE)
            : StableRankDetector.relative(
                settings.tolerance(),
                layer -> FactorizableWeight.named(weights, layer).initialStableRank());
    epochOf(steps);
  }

  /**
   * The paper measures each epoch and its slopes are per epoch; those of auto are per run, however
   * many epochs that has.
   *
   * @param epoch steps of one
   */
  void epochOf(double epoch) {
    boolean paper = settings.rule() == Cuttlefish.Rule.PAPER;
    double usual = paper ? epoch : (double) steps / MEASUREMENTS;
    every = settings.every() > 0 ? settings.every() : Math.max(1, Math.round(usual));
    span = every / (paper ? epoch : steps);
  }

  /** Called by every rank while all layers are whole. */
  void afterStep(long step, Collective collective) {
    if (settings.watches() && step > warmupSteps && step % every == 0) {
      measure(collective);
    }
  }

  private void measure(Collective collective) {
    double[] ranks =
        RankZero.doubles(
            collective,
            () ->
                weights.stream()
                    .mapToDouble(weight -> stableRank.measureSync(weight.matrix()))
                    .toArray());
    Map<String, Double> byLayer = new LinkedHashMap<>();
    for (int i = 0; i < ranks.length; i++) {
      byLayer.put(weights.get(i).name(), ranks[i]);
    }
    detector.add(byLayer, span);
  }

  /**
   * @param step updates done
   */
  boolean isDue(long step) {
    return switch (settings.rule()) {
      case AUTO, PAPER ->
          detector.hasSettled()
              || settings.latest() < 1 && step >= Math.ceil(settings.latest() * steps);
      case FIXED -> false; // before the first step
      case PUFFERFISH -> step >= settings.switchStep();
    };
  }

  StableRankDetector detector() {
    return detector;
  }
}
