package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.PatternLayout;
import dev.sparrow.collective.Collective;
import dev.sparrow.config.ModelShape;
import dev.sparrow.config.Moe;
import dev.sparrow.nn.FeedForwardSpec;
import dev.sparrow.nn.FigureSink;
import dev.sparrow.nn.GroupedLinearWeight;
import dev.sparrow.nn.Layer;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.LinearWeight;
import dev.sparrow.nn.ResidualBranch;
import dev.sparrow.sparsity.Method;
import dev.sparrow.sparsity.ModelChange;
import dev.sparrow.tensor.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Makes every n-th feed-forward block a mixture of experts: blocks {@code n - 1}, {@code 2n - 1}
 * and so on. The form of every matrix, the experts' too, is the inner method's choice, so that
 * methods combine.
 */
public final class MoeMethod implements Method {
  private final Backend backend;
  private final Moe moe;
  private final Method inner;
  private final int blocks;
  private final List<BalancingBias> biases = new ArrayList<>();
  private double[] loads = {};

  /**
   * @param inner chooses the form of the matrices and of the blocks that stay dense
   */
  public MoeMethod(Backend backend, Moe moe, ModelShape shape, Method inner) {
    if (moe.every() < 1 || moe.every() > shape.layers()) {
      throw new IllegalArgumentException(
          "moe.every: expected 1 to model.layers = "
              + shape.layers()
              + ", got "
              + moe.every()
              + "; no block would be a mixture of experts");
    }
    this.backend = backend;
    this.moe = moe;
    this.inner = inner;
    this.blocks = shape.layers() / moe.every();
  }

  @Override
  public String name() {
    return inner.name().equals("dense") ? "moe" : "moe+" + inner.name();
  }

  @Override
  public LinearWeight linearWeight(LinearSpec spec) {
    return inner.linearWeight(spec);
  }

  @Override
  public LinearWeight convolutionWeight(LinearSpec spec) {
    return inner.convolutionWeight(spec);
  }

  @Override
  public GroupedLinearWeight groupedLinearWeight(LinearSpec spec, int groups) {
    return inner.groupedLinearWeight(spec, groups);
  }

  @Override
  public ResidualBranch feedForward(FeedForwardSpec spec) {
    if ((spec.layer() + 1) % moe.every() != 0) {
      return inner.feedForward(spec);
    }
    Router router =
        new Router(
            backend,
            RouterSpec.of(spec.name(), spec.width(), spec.standardDeviation(), moe, blocks));
    if (router.balancingBias() != null) {
      biases.add(router.balancingBias());
      loads = new double[biases.size() * moe.experts()];
    }
    return new DroplessMoe(backend, router, dispatch(), experts(spec), shared(spec));
  }

  private Dispatch dispatch() {
    return moe.dispatch() == Moe.Dispatch.CAPACITY
        ? new CapacityDispatch(backend, moe.experts(), moe.topK(), moe.capacityFactor())
        : new DroplessDispatch(backend, moe.experts(), moe.topK());
  }

  private Experts experts(FeedForwardSpec spec) {
    Experts grouped = spec.gated() ? gated(spec) : plain(spec);
    return moe.dispatch() == Moe.Dispatch.PADDED
        ? new PaddedExperts(backend, grouped, Padding.toMaximum(moe.topK()), spec.width())
        : grouped;
  }

  private Experts plain(FeedForwardSpec spec) {
    return new PlainExperts(spec.activation(), input(spec, "up"), output(spec));
  }

  private Experts gated(FeedForwardSpec spec) {
    return new GatedExperts(
        backend, spec.activation(), input(spec, "gate"), input(spec, "up"), output(spec));
  }

  private GroupedLinearWeight input(FeedForwardSpec spec, String role) {
    return inner.groupedLinearWeight(
        new LinearSpec(
            spec.name() + ".experts." + role, spec.width(), hidden(spec), spec.standardDeviation()),
        moe.experts());
  }

  private GroupedLinearWeight output(FeedForwardSpec spec) {
    return inner.groupedLinearWeight(
        new LinearSpec(
            spec.name() + ".experts.down",
            hidden(spec),
            spec.width(),
            spec.outputStandardDeviation()),
        moe.experts());
  }

  private int hidden(FeedForwardSpec spec) {
    return moe.expertHidden() > 0 ? moe.expertHidden() : spec.hidden();
  }

  private Layer shared(FeedForwardSpec spec) {
    if (moe.sharedHidden() == 0) {
      return null;
    }
    return inner.feedForward(
        new FeedForwardSpec(
            spec.name() + ".shared",
            spec.layer(),
            spec.width(),
            moe.sharedHidden(),
            spec.activation(),
            spec.gated(),
            spec.bias(),
            spec.standardDeviation(),
            spec.outputStandardDeviation()));
  }

  @Override
  public void modelBuilt() {
    inner.modelBuilt();
  }

  @Override
  public void fit(Map<String, Shape> saved) {
    inner.fit(saved);
  }

  @Override
  public void foresee() {
    inner.foresee();
  }

  @Override
  public void loaded() {
    inner.loaded();
  }

  @Override
  public Map<String, List<Double>> state() {
    return inner.state();
  }

  @Override
  public void restore(Map<String, List<Double>> saved) {
    inner.restore(saved);
  }

  @Override
  public void epochOf(double steps) {
    inner.epochOf(steps);
  }

  @Override
  public double learningRateScale() {
    return inner.learningRateScale();
  }

  @Override
  public void beforeUpdate(long step, double learningRate, double gradientScale) {
    inner.beforeUpdate(step, learningRate, gradientScale);
  }

  @Override
  public ModelChange beforeRun(long done, Collective collective) {
    return inner.beforeRun(done, collective);
  }

  @Override
  public boolean beforeStep(long step) {
    return inner.beforeStep(step);
  }

  @Override
  public void applied(long nanos) {
    inner.applied(nanos);
  }

  @Override
  public void figures(FigureSink sink) {
    inner.figures(sink);
  }

  @Override
  public Map<String, PatternLayout> patternLayouts() {
    return inner.patternLayouts();
  }

  /** One sum over the ranks for all routers' loads, then each bias moves against its load. */
  @Override
  public ModelChange afterStep(long step, Collective collective) {
    ModelChange change = inner.afterStep(step, collective);
    balance(collective);
    return change;
  }

  private void balance(Collective collective) {
    if (biases.isEmpty()) {
      return;
    }
    for (int i = 0; i < biases.size(); i++) {
      biases.get(i).takeLoad(loads, i * moe.experts());
    }
    collective.allReduce(loads);
    for (int i = 0; i < biases.size(); i++) {
      biases.get(i).update(loads, i * moe.experts());
    }
  }
}
