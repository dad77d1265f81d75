package dev.sparrow.sparsity.lowrank;

import dev.sparrow.config.Cuttlefish;
import dev.sparrow.sparsity.PairedTimer;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.slf4j.LoggerFactory;

/**
 * Keeps whole the layers that would gain nothing by factors: those whose factors would hold no
 * fewer numbers, {@code rank·(out + in) >= out·in}, those of a normalisation counted, and those
 * that they would not make faster. Layers of equal sizes share timings: where one rank passes, so
 * do lower ones, and where it does not, higher ones do not. A rank that the user has set passes.
 */
final class FactorGate {
  /** Of layers timed at a quarter of full rank (Wang et al. 2023, §3.3). */
  static final double PAPER_SPEED_UP = 1.5;

  private static final double PAPER_RATIO = 0.25;
  private static final double NANOS_PER_MILLI = 1e6;

  private final Cuttlefish settings;
  private final LayerTimer timer;
  private final Consumer<String> log;
  private final Map<LayerTimer.Layer, NavigableMap<Integer, Double>> speedUps = new HashMap<>();

  FactorGate(Cuttlefish settings, LayerTimer timer) {
    this(settings, timer, LoggerFactory.getLogger(FactorGate.class)::info);
  }

  /**
   * @param log receives a line for each timing
   */
  FactorGate(Cuttlefish settings, LayerTimer timer, Consumer<String> log) {
    this.settings = settings;
    this.timer = timer;
    this.log = log;
  }

  boolean passes(FactorizableWeight weight, int rank) {
    if (!settings.watches()) {
      return true;
    }
    long whole = (long) weight.out() * weight.in();
    int ofNorm = weight.normalizes() ? 2 : 0;
    if (rank * ((long) weight.out() + weight.in() + ofNorm) >= whole) {
      return false;
    }
    return settings.minSpeedUp() == 0 || weight.rows() == 0 || isFaster(weight, rank);
  }

  private boolean isFaster(FactorizableWeight weight, int rank) {
    if (settings.rule() == Cuttlefish.Rule.PAPER) {
      int quarter = RankRule.ratio(PAPER_RATIO, Math.min(weight.out(), weight.in()));
      return isFaster(weight, quarter, Math.max(PAPER_SPEED_UP, settings.minSpeedUp()));
    }
    return isFaster(weight, rank, settings.minSpeedUp());
  }

  private boolean isFaster(FactorizableWeight weight, int rank, double least) {
    LayerTimer.Layer layer =
        new LayerTimer.Layer(
            weight.matrices(),
            weight.isStacked(),
            weight.out(),
            weight.in(),
            weight.rows(),
            weight.window(),
            weight.normalizes());
    NavigableMap<Integer, Double> timed = speedUps.computeIfAbsent(layer, l -> new TreeMap<>());
    if (timed.tailMap(rank, true).values().stream().anyMatch(speedUp -> speedUp >= least)) {
      return true;
    }
    if (timed.headMap(rank, true).values().stream().anyMatch(speedUp -> speedUp < least)) {
      return false;
    }
    double speedUp = measured(weight.name(), layer, rank);
    timed.put(rank, speedUp);
    return speedUp >= least;
  }

  private double measured(String name, LayerTimer.Layer layer, int rank) {
    PairedTimer.Times times = timer.time(layer, rank);
    double speedUp = (double) times.firstNanos() / Math.max(1, times.secondNanos());
    log.accept(
        String.format(
            Locale.ROOT,
            "layers like %s, %d rows of %d at a time: %.3f ms whole, %.3f ms by factors of rank %d, %.2f times as fast",
            name,
            layer.rows(),
            layer.in(),
            times.firstNanos() / NANOS_PER_MILLI,
            times.secondNanos() / NANOS_PER_MILLI,
            rank,
            speedUp));
    return speedUp;
  }
}
