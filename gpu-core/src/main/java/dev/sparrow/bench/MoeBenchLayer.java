package dev.sparrow.bench;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.Moe;
import dev.sparrow.nn.DenseGroupedWeight;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.moe.CapacityDispatch;
import dev.sparrow.sparsity.moe.Dispatch;
import dev.sparrow.sparsity.moe.DroplessDispatch;
import dev.sparrow.sparsity.moe.DroplessMoe;
import dev.sparrow.sparsity.moe.Experts;
import dev.sparrow.sparsity.moe.GatedExperts;
import dev.sparrow.sparsity.moe.PaddedExperts;
import dev.sparrow.sparsity.moe.Padding;
import dev.sparrow.sparsity.moe.PlainExperts;
import dev.sparrow.sparsity.moe.Router;
import dev.sparrow.sparsity.moe.RouterSpec;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A layer with its memory and inputs, and the times of its passes. */
final class MoeBenchLayer implements AutoCloseable {
  private static final double CAPACITY_FACTOR = 1.25;
  private static final double STANDARD_DEVIATION = 0.02;

  /** Of one measured pass. */
  private record Times(double forwardMillis, double backwardMillis, double routingShare) {
    double millis() {
      return forwardMillis + backwardMillis;
    }
  }

  private final MoeBenchCase moe;
  private final Backend backend;
  private final boolean queues;
  private final TimedExperts experts;
  private final DroplessMoe layer;
  private final ParameterArena arena;
  private final Workspace workspace;
  private final Pass pass;
  private final Tensor x; // (T, width)
  private final Tensor dy; // (T, width)
  private final List<Times> times = new ArrayList<>();

  MoeBenchLayer(BenchDevice device, MoeBenchCase moe, long seed) {
    this.moe = moe;
    this.backend = device.backend();
    this.queues = device.queues();
    this.experts = new TimedExperts(experts(backend, moe), backend);
    Router router = new Router(backend, spec(moe));
    this.layer = new DroplessMoe(backend, router, dispatch(backend, moe), experts, null);
    List<Parameter> parameters = new ArrayList<>();
    layer.parameters(parameters::add);
    this.arena = new ParameterArena(backend, parameters);
    this.workspace = new Workspace(backend);
    int tokens = moe.sizes().tokens();
    layer.reserve(workspace, tokens);
    this.pass = new Pass(true, seed, 0, 1, tokens, 1.0 / tokens);
    this.x = workspace.keep(tokens, moe.sizes().width());
    this.dy = workspace.keep(tokens, moe.sizes().width());
    NormalValues.upload(backend, STANDARD_DEVIATION, seed, arena.values());
    arena.publish();
    router.parameters(weight -> backend.upload(moe.routerWeights(), 0, weight.value()));
    backend.upload(moe.inputs(seed), 0, x);
    NormalValues.upload(backend, 1, seed, dy);
  }

  private static RouterSpec spec(MoeBenchCase moe) {
    return new RouterSpec(
        "moe", moe.sizes().width(), moe.experts(), moe.topK(), 0, 0, 1, 0.01, 0.001, 0, 1);
  }

  private static Dispatch dispatch(Backend backend, MoeBenchCase moe) {
    return moe.dispatch() == Moe.Dispatch.CAPACITY
        ? new CapacityDispatch(backend, moe.experts(), moe.topK(), CAPACITY_FACTOR)
        : new DroplessDispatch(backend, moe.experts(), moe.topK());
  }

  private static Experts experts(Backend backend, MoeBenchCase moe) {
    MoeBenchCase.Sizes sizes = moe.sizes();
    DenseGroupedWeight up = weight(backend, moe, "up", sizes.width(), sizes.hidden());
    DenseGroupedWeight down = weight(backend, moe, "down", sizes.hidden(), sizes.width());
    Experts grouped =
        sizes.gated()
            ? new GatedExperts(
                backend,
                sizes.activation(),
                weight(backend, moe, "gate", sizes.width(), sizes.hidden()),
                up,
                down)
            : new PlainExperts(sizes.activation(), up, down);
    return moe.dispatch() == Moe.Dispatch.PADDED
        ? new PaddedExperts(backend, grouped, Padding.toMaximum(moe.topK()), sizes.width())
        : grouped;
  }

  private static DenseGroupedWeight weight(
      Backend backend, MoeBenchCase moe, String role, int in, int out) {
    LinearSpec spec = new LinearSpec("moe." + role, in, out, STANDARD_DEVIATION);
    return new DenseGroupedWeight(backend, spec, moe.experts());
  }

  /** What is measured. */
  MoeBenchCase moe() {
    return moe;
  }

  /** One forward and backward pass, not counted. */
  void warmUp() {
    pass();
  }

  /**
   * One forward and backward pass. Where ops only queue their work, the experts' share is that of a
   * second one, since to time them is to wait for them.
   */
  void measure() {
    Times timed = pass();
    double routingShare = timed.routingShare();
    if (queues) {
      experts.waits(true);
      routingShare = pass().routingShare();
      experts.waits(false);
    }
    times.add(new Times(timed.forwardMillis(), timed.backwardMillis(), routingShare));
  }

  private Times pass() {
    experts.takeNanos();
    long start = System.nanoTime();
    layer.forward(x, pass);
    backend.synchronize();
    long between = System.nanoTime();
    layer.backward(dy, pass);
    backend.synchronize();
    long end = System.nanoTime();
    double inExperts = (double) experts.takeNanos() / (end - start);
    return new Times((between - start) * 1e-6, (end - between) * 1e-6, 1 - inExperts);
  }

  /** Milliseconds of each measured pass. */
  double[] millis() {
    return times.stream().mapToDouble(Times::millis).toArray();
  }

  /** Milliseconds of each measured forward pass. */
  double[] forwardMillis() {
    return times.stream().mapToDouble(Times::forwardMillis).toArray();
  }

  /** Milliseconds of each measured backward pass. */
  double[] backwardMillis() {
    return times.stream().mapToDouble(Times::backwardMillis).toArray();
  }

  /** Share of each measured pass that was not spent in the experts. */
  double[] routingShares() {
    return times.stream().mapToDouble(Times::routingShare).toArray();
  }

  /** Products of all assignments in a forward pass; a backward pass has twice as many. */
  double forwardFlops() {
    List<LayerSummary> matrices = new ArrayList<>();
    experts.describe(moe.topK(), matrices::add);
    double perToken = matrices.stream().mapToDouble(LayerSummary::forwardFlops).sum();
    return perToken * moe.sizes().tokens();
  }

  Map<String, Double> figures() {
    Map<String, Double> figures = new HashMap<>();
    layer.figures(figures::put);
    return figures;
  }

  @Override
  public void close() {
    workspace.close();
    arena.close();
  }
}
