package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Backend;
import dev.sparrow.collective.Collective;
import dev.sparrow.config.Cuttlefish;
import dev.sparrow.config.OptimizerSettings;
import dev.sparrow.config.RunConfig;
import dev.sparrow.nn.DenseFeedForward;
import dev.sparrow.nn.DenseGroupedWeight;
import dev.sparrow.nn.DenseWeight;
import dev.sparrow.nn.FeedForwardSpec;
import dev.sparrow.nn.FigureSink;
import dev.sparrow.nn.GroupedLinearWeight;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.LinearWeight;
import dev.sparrow.nn.ResidualBranch;
import dev.sparrow.sparsity.LayerNames;
import dev.sparrow.sparsity.Method;
import dev.sparrow.sparsity.ModelChange;
import dev.sparrow.tensor.Shape;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Trains whole matrices until their stable ranks have settled and factors of them from then on, at
 * ranks that their singular values tell (Wang et al., MLSys 2023); or factors from the start or a
 * given step, at a given share of full rank. The matrices of a mixture's experts are factorized
 * each by itself, all at one rank.
 *
 * <p>Rank 0 measures, times, decomposes and decides, and tells the others.
 */
public final class CuttlefishMethod implements Method {
  private static final Logger LOG = LoggerFactory.getLogger(CuttlefishMethod.class);
  private static final double NANOS_PER_SECOND = 1e9;
  private static final String SWITCHED = "switched_at";
  private static final String STABLE_RANK = "stable_rank.";
  private static final String LEARNING_RATE = "learning_rate_factor.";

  private static final Set<String> ENDS = Set.of("patches", "head");
  private static final String FIRST_CONVOLUTION = "stem.";

  private final Backend backend;
  private final Cuttlefish settings;
  private final OptimizerSettings optimizer;
  private final LayerNames names;
  private final StableRankWatch watch;
  private final Factorizer factorizer;
  private final List<FactorizableWeight> weights = new ArrayList<>();
  private long switchedAt = -1; // updates done then; -1: not yet
  private long nanos;

  /** Times layers on the backend. */
  public CuttlefishMethod(Backend backend, RunConfig config) {
    this(backend, config, new TimedFactors(backend, config.optimizer().weightDecay() > 0));
  }

  /**
   * @param timer asked on rank 0 alone
   */
  public CuttlefishMethod(Backend backend, RunConfig config, LayerTimer timer) {
    this.backend = backend;
    this.settings = config.cuttlefish();
    this.optimizer = config.optimizer();
    this.names = new LayerNames("cuttlefish", settings.layers(), settings.except());
    this.watch = new StableRankWatch(backend, config, weights);
    RankRule rule = RankRule.of(settings, config.model().kind().hasBlocks());
    boolean matchesRates =
        settings.matchesRates() && optimizer.name() == OptimizerSettings.Kind.ADAMW;
    this.factorizer =
        new Factorizer(backend, settings, rule, new FactorGate(settings, timer), matchesRates);
  }

  @Override
  public String name() {
    return "cuttlefish";
  }

  @Override
  public LinearWeight linearWeight(LinearSpec spec) {
    return linearWeight(spec, false);
  }

  @Override
  public LinearWeight convolutionWeight(LinearSpec spec) {
    return linearWeight(spec, settings.batchNorm());
  }

  private LinearWeight linearWeight(LinearSpec spec, boolean normalizes) {
    if (!mayFactorize(spec)) {
      return new DenseWeight(backend, spec);
    }
    FactorizableLinearWeight weight = new FactorizableLinearWeight(backend, spec, normalizes);
    weights.add(weight);
    return weight;
  }

  @Override
  public GroupedLinearWeight groupedLinearWeight(LinearSpec spec, int groups) {
    if (!mayFactorize(spec)) {
      return new DenseGroupedWeight(backend, spec, groups);
    }
    FactorizableGroupedWeight weight = new FactorizableGroupedWeight(backend, spec, groups);
    weights.add(weight);
    return weight;
  }

  /** What reads pixels and the last classifier never: they are thin, and hurt most. */
  private boolean mayFactorize(LinearSpec spec) {
    boolean atAnEnd = ENDS.contains(spec.name()) || spec.name().startsWith(FIRST_CONVOLUTION);
    return !atAnEnd && names.match(spec.name());
  }

  @Override
  public ResidualBranch feedForward(FeedForwardSpec spec) {
    return new DenseFeedForward(backend, spec, this::linearWeight);
  }

  @Override
  public void modelBuilt() {
    names.requireMatches();
  }

  @Override
  public void fit(Map<String, Shape> saved) {
    weights.forEach(weight -> weight.fit(saved));
  }

  @Override
  public void foresee() {
    if (settings.rule() == Cuttlefish.Rule.FIXED) {
      for (FactorizableWeight weight : weights) {
        weight.become(RankRule.ratio(settings.ratio(), Math.min(weight.out(), weight.in())));
      }
    }
  }

  @Override
  public Map<String, List<Double>> state() {
    Map<String, List<Double>> state = new LinkedHashMap<>();
    if (hasSwitched()) {
      state.put(SWITCHED, List.of((double) switchedAt));
      weights.stream()
          .filter(FactorizableWeight::isLowRank)
          .forEach(
              weight ->
                  state.put(
                      LEARNING_RATE + weight.name(),
                      List.of((double) weight.learningRateFactor())));
    } else {
      watch.detector().state().forEach((layer, numbers) -> state.put(STABLE_RANK + layer, numbers));
    }
    return state;
  }

  @Override
  public void restore(Map<String, List<Double>> saved) {
    switchedAt = saved.containsKey(SWITCHED) ? saved.get(SWITCHED).get(0).longValue() : -1;
    byLayer(saved, LEARNING_RATE)
        .forEach(
            (layer, factor) ->
                FactorizableWeight.named(weights, layer).trainAt(factor.get(0).floatValue()));
    watch.detector().restore(byLayer(saved, STABLE_RANK));
  }

  private static Map<String, List<Double>> byLayer(Map<String, List<Double>> saved, String what) {
    Map<String, List<Double>> layers = new LinkedHashMap<>();
    saved.forEach(
        (name, numbers) -> {
          if (name.startsWith(what)) {
            layers.put(name.substring(what.length()), numbers);
          }
        });
    return layers;
  }

  @Override
  public void epochOf(double epoch) {
    watch.epochOf(epoch);
  }

  /** A model that comes with factors goes on with them. */
  @Override
  public ModelChange beforeRun(long done, Collective collective) {
    if (!hasSwitched() && weights.stream().anyMatch(FactorizableWeight::isLowRank)) {
      switchedAt = done;
    }
    boolean now = settings.rule() == Cuttlefish.Rule.FIXED && !hasSwitched();
    return now ? factorized(done, collective) : ModelChange.NONE;
  }

  private boolean hasSwitched() {
    return switchedAt >= 0;
  }

  @Override
  public double learningRateScale() {
    double scale = settings.learningRateScale();
    return hasSwitched() && scale > 0 ? scale : 1;
  }

  /**
   * The decay of the factors' products: before the update and of the weights alone with AdamW, as
   * its own decay is; in the gradient with SGD. Every {@value FrobeniusDecay#EVERY} updates as many
   * times as strong, since it costs as much as some passes of the layer. Each rank decays by
   * products of its own: where ranks run on unlike processors, their weights may part in the last
   * bit.
   */
  @Override
  public void beforeUpdate(long step, double learningRate, double gradientScale) {
    double decay = FrobeniusDecay.EVERY * optimizer.weightDecay();
    if (decay == 0 || step % FrobeniusDecay.EVERY != 0) {
      return;
    }
    for (FactorizableWeight weight : weights) {
      if (weight.isLowRank()) {
        switch (optimizer.name()) {
          case ADAMW -> weight.decay().subtractFromValues(learningRate * decay);
          case SGD -> weight.decay().addToGradients(decay / gradientScale);
        }
      }
    }
  }

  @Override
  public ModelChange afterStep(long step, Collective collective) {
    if (hasSwitched()) {
      return ModelChange.NONE;
    }
    long start = System.nanoTime();
    watch.afterStep(step, collective);
    nanos += System.nanoTime() - start;
    return watch.isDue(step) ? factorized(step, collective) : ModelChange.NONE;
  }

  private ModelChange factorized(long step, Collective collective) {
    long start = System.nanoTime();
    long before = parameters();
    ModelChange change = factorizer.factorize(weights, collective);
    switchedAt = step;
    nanos += System.nanoTime() - start;
    if (collective.rank() == 0) {
      LOG.info(
          "after step {}: {} of {} matrices are factorized, {} of their {} parameters are left",
          step,
          change.replacements().size(),
          weights.size(),
          parameters(),
          before);
    }
    return change;
  }

  @Override
  public void applied(long took) {
    nanos += took;
  }

  private long parameters() {
    return weights.stream().mapToLong(FactorizableWeight::parameterCount).sum();
  }

  /**
   * Stable ranks, of each layer and their mean, until the switch; from then on the updates done
   * before it and ranks, of each layer that has factors, their mean and that of their shares of
   * full rank.
   */
  @Override
  public void figures(FigureSink sink) {
    if (!hasSwitched()) {
      watch
          .detector()
          .newest()
          .forEach(
              (layer, rank) -> {
                sink.figure(STABLE_RANK + layer, rank);
                sink.figure("stable_rank", rank);
              });
    } else {
      sink.figure(SWITCHED, switchedAt);
    }
    long lowRank = 0;
    for (FactorizableWeight weight : weights) {
      if (weight.isLowRank()) {
        sink.figure("rank." + weight.name(), weight.rank());
        sink.figure("rank", weight.rank());
        int full = Math.min(weight.out(), weight.in());
        sink.figure("rank_share", (double) weight.rank() / full);
        sink.figure("learning_rate_factor", weight.learningRateFactor());
        lowRank++;
      }
    }
    sink.figure("low_rank_layers", lowRank);
    sink.figure("detector_seconds", nanos / NANOS_PER_SECOND);
  }
}
