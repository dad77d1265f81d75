package dev.sparrow.sparsity;

import dev.sparrow.backend.PatternLayout;
import dev.sparrow.collective.Collective;
import dev.sparrow.nn.FeedForwardSpec;
import dev.sparrow.nn.FigureSink;
import dev.sparrow.nn.GroupedLinearWeight;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.LinearWeight;
import dev.sparrow.nn.ResidualBranch;
import dev.sparrow.tensor.Shape;
import java.util.List;
import java.util.Map;

/** The single point where a training method is chosen. One instance serves one model. */
public interface Method {
  /** Short name for logs and summaries: {@code dense}, {@code moe}. */
  String name();

  /** The form of one matrix. */
  LinearWeight linearWeight(LinearSpec spec);

  /** The form of a convolution's filters, of which each is a row: (out, patch). */
  default LinearWeight convolutionWeight(LinearSpec spec) {
    return linearWeight(spec);
  }

  /** The form of the stacked matrices of {@code groups} experts. */
  GroupedLinearWeight groupedLinearWeight(LinearSpec spec, int groups);

  /** The form of one feed-forward block. */
  ResidualBranch feedForward(FeedForwardSpec spec);

  /**
   * Called once by the model when all its weights are asked for, before it names its parameters;
   * throws where the settings make no sense for it: a pattern of layers that none bears, for
   * instance.
   */
  default void modelBuilt() {}

  /**
   * Gives parameters and buffers the shapes that a saved model's have, before it is loaded; an
   * arena built before is then void.
   *
   * @param saved shapes of the file's tensors by name
   */
  default void fit(Map<String, Shape> saved) {}

  /**
   * Gives parameters the shapes that they take before the first step, as far as the settings tell:
   * for a model that is measured and not run.
   */
  default void foresee() {}

  /** Called when weights and buffers were set from outside: a checkpoint, a model's file. */
  default void loaded() {}

  /**
   * What a run goes on from besides weights, buffers and optimizer state: lists of numbers by names
   * of the method's own. The same on every rank.
   */
  default Map<String, List<Double>> state() {
    return Map.of();
  }

  /**
   * Called by every rank where a run goes on from a checkpoint, after {@link #fit} and before an
   * arena is built.
   *
   * @param saved {@link #state} as it was
   */
  default void restore(Map<String, List<Double>> saved) {}

  /**
   * Called before {@link #beforeRun}.
   *
   * @param steps that a pass over the data takes
   */
  default void epochOf(double steps) {}

  /**
   * Called by every rank when weights are set and before the first step, in the same order of
   * collective calls on all ranks.
   *
   * @param done updates done so far: none in a new run
   * @return as of {@link #afterStep}
   */
  default ModelChange beforeRun(long done, Collective collective) {
    return ModelChange.NONE;
  }

  /**
   * Called by every rank before each step.
   *
   * @param step updates done so far
   * @return whether the step's passes do other work than the last step's
   */
  default boolean beforeStep(long step) {
    return false;
  }

  /** What the schedule's learning rate is multiplied by in the step to come. */
  default double learningRateScale() {
    return 1;
  }

  /**
   * Called by every rank when gradients are summed over the ranks, before the optimizer reads them:
   * for decay of a method's own.
   *
   * @param step updates done so far
   * @param learningRate of this update
   * @param gradientScale by which the optimizer will multiply gradients
   */
  default void beforeUpdate(long step, double learningRate, double gradientScale) {}

  /**
   * Called by every rank after each optimizer step, in the same order of collective calls on all
   * ranks.
   *
   * @param step updates done so far
   * @return what the caller is to apply to arena and optimizer; the model itself is changed already
   */
  ModelChange afterStep(long step, Collective collective);

  /**
   * Called by every rank once a change of this method's is applied.
   *
   * @param nanos that applying it took: weights and optimizer state carried over, for figures
   */
  default void applied(long nanos) {}

  /**
   * How the patterns of those matrices are laid out that may be uniformly sparse, by the name under
   * which the weight is saved.
   */
  default Map<String, PatternLayout> patternLayouts() {
    return Map.of();
  }

  /** Tells figures of its own, the same on every rank. */
  default void figures(FigureSink sink) {}
}
