package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.PatternLayout;
import dev.sparrow.backend.Philox;
import dev.sparrow.backend.RandomKey;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.collective.Collective;
import dev.sparrow.config.Uniform;
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
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Makes the matrices whose names match uniformly sparse (Muralidharan, MLSys 2023), by one of the
 * schedules of {@link Uniform.Schedule}, those of a mixture's experts all by one pattern; or
 * unstructured, to compare with.
 *
 * <p>Patterns follow from weights, summed gradients and numbered random draws, all of which every
 * rank has in the same bits: no rank tells another its pattern.
 */
public final class UniformMethod implements Method {
  private static final double NANOS_PER_SECOND = 1e9;

  private final Backend backend;
  private final Uniform settings;
  private final long seed;
  private final LayerNames names;
  private final PruningSchedule schedule;
  private final ProductChoice products;
  private final List<SparsifiedWeight> weights = new ArrayList<>();
  private double[] densities = {};
  private int[] budgets = {};
  private boolean growing;
  private long patternUpdates;
  private long updateNanos; // choosing, timing, carrying over

  /**
   * @param steps of the whole run
   * @param seed of the run, for patterns that are drawn
   */
  public UniformMethod(Backend backend, Uniform settings, long steps, long seed) {
    this(
        backend,
        settings,
        steps,
        seed,
        new ProductChoice(settings.products(), new TimedProducts(backend)));
  }

  /**
   * @param products decides how layers multiply
   */
  public UniformMethod(
      Backend backend, Uniform settings, long steps, long seed, ProductChoice products) {
    this.backend = backend;
    this.settings = settings;
    this.seed = seed;
    this.names = new LayerNames("uniform", settings.layers(), settings.except());
    this.schedule = new PruningSchedule(settings, steps);
    this.products = products;
  }

  @Override
  public String name() {
    return "uniform";
  }

  @Override
  public LinearWeight linearWeight(LinearSpec spec) {
    if (!names.match(spec.name())) {
      return new DenseWeight(backend, spec);
    }
    PatternFormat format = PatternFormat.of(settings, spec, 1);
    SparsifiedLinearWeight weight = new SparsifiedLinearWeight(backend, spec, format);
    weights.add(weight);
    return weight;
  }

  @Override
  public GroupedLinearWeight groupedLinearWeight(LinearSpec spec, int groups) {
    if (!names.match(spec.name())) {
      return new DenseGroupedWeight(backend, spec, groups);
    }
    PatternFormat format = PatternFormat.of(settings, spec, groups);
    SparsifiedGroupedWeight weight = new SparsifiedGroupedWeight(backend, spec, format);
    weights.add(weight);
    return weight;
  }

  @Override
  public ResidualBranch feedForward(FeedForwardSpec spec) {
    return new DenseFeedForward(backend, spec, this::linearWeight);
  }

  @Override
  public void modelBuilt() {
    names.requireMatches();
    List<Shape> shapes = weights.stream().map(SparsifiedWeight::shape).toList();
    densities = LayerDensities.of(settings.distribution(), shapes, settings.sparsity());
    budgets = new int[weights.size()];
    for (int i = 0; i < budgets.length; i++) {
      PatternFormat format = weights.get(i).format();
      int fanIn = format.fanIn(densities[i]);
      budgets[i] = Math.multiplyExact(format.groups(), fanIn);
      if (settings.schedule() != Uniform.Schedule.GRADUAL) {
        SparsifiedWeight weight = weights.get(i);
        weight.begin(drawn(weight, fanIn), products.startsSparse(weight));
      }
    }
  }

  /** A pattern at random, of the run's seed and the layer's name. */
  private UniformPattern drawn(SparsifiedWeight weight, int fanIn) {
    PatternFormat format = weight.format();
    return new PatternChoice(format, backend.hostLoop()).choose(draws(weight, "pattern", 0), fanIn);
  }

  /**
   * (groups, columns) uniform draws.
   *
   * @param update number of the draw for this use
   */
  private float[] draws(SparsifiedWeight weight, String use, long update) {
    PatternFormat format = weight.format();
    float[] draws = new float[format.groups() * format.columns()];
    RandomKey key = new RandomKey(seed, RandomKey.streamOf(weight.spec().name() + "." + use));
    Philox.uniforms(key, update * draws.length, draws, 0, draws.length);
    return draws;
  }

  @Override
  public void fit(Map<String, Shape> saved) {
    if (settings.schedule() != Uniform.Schedule.GRADUAL) {
      requirePatterns(saved);
    }
    weights.forEach(weight -> weight.fit(saved));
  }

  /** Of the schedules gradual pruning alone makes a dense weight sparse. */
  private void requirePatterns(Map<String, Shape> saved) {
    for (int i = 0; i < budgets.length; i++) {
      if (!weights.get(i).hasPatternIn(saved) && !wantsAll(i)) {
        throw new IllegalArgumentException(
            "%s.weight: expected a sparse weight in the saved model under uniform.schedule = %s, got a dense one; prune it at once with uniform.schedule = gradual, uniform.begin-step = 1, uniform.end-step = 1"
                .formatted(
                    weights.get(i).spec().name(),
                    settings.schedule().name().toLowerCase(Locale.ROOT)));
      }
    }
  }

  /** Whether a layer's share of the non-zeros is all that it has, so that its pattern stays. */
  private boolean wantsAll(int layer) {
    PatternFormat format = weights.get(layer).format();
    return budgets[layer] == format.groups() * format.columns();
  }

  @Override
  public void loaded() {
    weights.forEach(SparsifiedWeight::loaded);
  }

  /**
   * Patterns stay, forms follow from {@code uniform.products}. Where that lets times decide, a run
   * that goes on keeps the forms that its checkpoint has.
   */
  @Override
  public ModelChange beforeRun(long done, Collective collective) {
    long start = System.nanoTime();
    List<SparsifiedWeight> patterned = weights.stream().filter(w -> !w.isDense()).toList();
    if (products.isTimed() && done > 0) {
      patterned.forEach(products::keep);
      return ModelChange.NONE;
    }
    ModelChange change =
        taken(patterned.stream().map(w -> new PatternUpdate(w, w.pattern())).toList(), collective);
    updateNanos += System.nanoTime() - start;
    return change;
  }

  /** Makes the updates, each in the form that is chosen for it. */
  private ModelChange taken(List<PatternUpdate> updates, Collective collective) {
    BitSet sparse = products.sparse(updates, collective);
    List<ModelChange.Replacement> replacements = new ArrayList<>();
    for (int i = 0; i < updates.size(); i++) {
      PatternUpdate update = updates.get(i);
      if (update.changes(sparse.get(i))) {
        replacements.add(update.weight().change(update.next(), sparse.get(i)));
      }
    }
    return new ModelChange(replacements);
  }

  /** A step that ends in growing by gradient sums the gradients of whole matrices. */
  @Override
  public boolean beforeStep(long step) {
    boolean last = growing;
    growing = settings.schedule() == Uniform.Schedule.RIGL && schedule.changesAfter(step + 1);
    for (int i = 0; growing && i < weights.size(); i++) {
      if (!wantsAll(i)) {
        weights.get(i).sumWholeGradient();
      }
    }
    return growing || last;
  }

  @Override
  public ModelChange afterStep(long step, Collective collective) {
    if (!schedule.changesAfter(step)) {
      return ModelChange.NONE;
    }
    long start = System.nanoTime();
    List<PatternUpdate> updates = new ArrayList<>();
    for (int i = 0; i < weights.size(); i++) {
      SparsifiedWeight weight = weights.get(i);
      UniformPattern next =
          settings.schedule() == Uniform.Schedule.GRADUAL
              ? pruned(weight, densities[i], step)
              : wantsAll(i) ? null : regrown(weight, budgets[i], step, collective);
      if (next != null) {
        updates.add(new PatternUpdate(weight, next));
      }
    }
    weights.forEach(SparsifiedWeight::dropWholeGradient);
    ModelChange change = taken(updates, collective);
    patternUpdates++;
    updateNanos += System.nanoTime() - start;
    return change;
  }

  /** The largest magnitudes at this step's density; null where the pattern stays. */
  private UniformPattern pruned(SparsifiedWeight weight, double density, long step) {
    PatternFormat format = weight.format();
    int fanIn = format.fanIn(schedule.density(density, step));
    int before = weight.isDense() ? format.columns() : weight.pattern().fanIn();
    if (fanIn >= before) {
      return null;
    }
    return new PatternChoice(format, backend.hostLoop()).byMagnitude(weight.matrixSync(), fanIn);
  }

  private UniformPattern regrown(
      SparsifiedWeight weight, int budget, long step, Collective collective) {
    PatternFormat format = weight.format();
    PatternChoice choice = new PatternChoice(format, backend.hostLoop());
    UniformPattern pattern = weight.pattern();
    float[] magnitudes = choice.magnitudes(pattern, weight.valuesSync());
    float[] scores =
        settings.schedule() == Uniform.Schedule.SET
            ? draws(weight, "grow", step)
            : choice.scores(gradient(weight, collective));
    return new DropAndGrow(format, pattern, magnitudes, scores, budget)
        .next(schedule.dropFraction(step), settings.ablation());
  }

  /** Of the whole matrix, summed over the ranks. */
  private float[] gradient(SparsifiedWeight weight, Collective collective) {
    Tensor gradient = weight.wholeGradient();
    collective.allReduce(gradient);
    float[] host = new float[Math.toIntExact(gradient.size())];
    backend.downloadSync(gradient, host, 0);
    return host;
  }

  @Override
  public void applied(long nanos) {
    updateNanos += nanos;
  }

  @Override
  public Map<String, PatternLayout> patternLayouts() {
    Map<String, PatternLayout> layouts = new LinkedHashMap<>();
    for (SparsifiedWeight weight : weights) {
      if (weight.canBeSparse()) {
        layouts.put(weight.spec().name() + ".weight", weight.layout());
      }
    }
    return layouts;
  }

  @Override
  public void figures(FigureSink sink) {
    long elements = 0;
    long nonZeros = 0;
    long sparse = 0;
    for (SparsifiedWeight weight : weights) {
      elements += weight.shape().size();
      nonZeros += weight.activeParameterCount();
      sparse += weight.isSparse() ? 1 : 0;
    }
    sink.figure("sparsity", 1 - (double) nonZeros / elements);
    sink.figure("sparse_layers", sparse);
    sink.figure("pattern_updates", patternUpdates);
    sink.figure("pattern_update_seconds", updateNanos / NANOS_PER_SECOND);
  }
}
