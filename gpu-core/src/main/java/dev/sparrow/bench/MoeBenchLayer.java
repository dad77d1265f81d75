package dev.sparrow.bench;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.config.Moe;
import dev.sparrow.nn.DenseGroupedWeight;
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

  private final MoeBenchCase sizes;
  private final Backend backend;
  private final TimedExperts experts;
  private final DroplessMoe layer;
  private final ParameterArena arena;
  private final Workspace workspace;
  private final Pass pass;
  private final Tensor x; // (T, width)
  private final Tensor dy; // (T, width)
  private final List<Double> millis = new ArrayList<>();
  private final List<Double> routingShares = new ArrayList<>();

  MoeBenchLayer(Backend backend, MoeBenchCase sizes, long seed) {
    this.sizes = sizes;
    this.backend = backend;
    this.experts = new TimedExperts(experts(backend, sizes));
    Router router = new Router(backend, spec(sizes));
    this.layer = new DroplessMoe(backend, router, dispatch(backend, sizes), experts, null);
    List<Parameter> parameters = new ArrayList<>();
    layer.parameters(parameters::add);
    this.arena = new ParameterArena(backend, parameters);
    arena.initialize(seed);
    this.workspace = new Workspace(backend);
    layer.reserve(workspace, MoeBenchCase.TOKENS);
    this.pass = new Pass(true, seed, 0, 1, MoeBenchCase.TOKENS, 1.0 / MoeBenchCase.TOKENS);
    this.x = workspace.keep(MoeBenchCase.TOKENS, MoeBenchCase.WIDTH);
    this.dy = workspace.keep(MoeBenchCase.TOKENS, MoeBenchCase.WIDTH);
    backend.upload(sizes.inputs(seed), 0, x);
    backend.elementwise().fill(dy, 1.0);
    router.parameters(weight -> backend.upload(sizes.routerWeights(), 0, weight.value()));
  }

  private static RouterSpec spec(MoeBenchCase sizes) {
    return new RouterSpec(
        "moe", MoeBenchCase.WIDTH, sizes.experts(), sizes.topK(), 0, 0, 1, 0.01, 0.001, 0, 1);
  }

  private static Dispatch dispatch(Backend backend, MoeBenchCase sizes) {
    return sizes.dispatch() == Moe.Dispatch.CAPACITY
        ? new CapacityDispatch(backend, sizes.experts(), sizes.topK(), CAPACITY_FACTOR)
        : new DroplessDispatch(backend, sizes.experts(), sizes.topK());
  }

  private static Experts experts(Backend backend, MoeBenchCase sizes) {
    LinearSpec up = new LinearSpec("moe.up", MoeBenchCase.WIDTH, MoeBenchCase.HIDDEN, 0.02);
    LinearSpec down = new LinearSpec("moe.down", MoeBenchCase.HIDDEN, MoeBenchCase.WIDTH, 0.02);
    Experts plain =
        new PlainExperts(
            Activation.GELU,
            new DenseGroupedWeight(backend, up, sizes.experts()),
            new DenseGroupedWeight(backend, down, sizes.experts()));
    return sizes.dispatch() == Moe.Dispatch.PADDED
        ? new PaddedExperts(backend, plain, Padding.toMaximum(sizes.topK()), MoeBenchCase.WIDTH)
        : plain;
  }

  MoeBenchCase sizes() {
    return sizes;
  }

  /** One forward and backward pass, not counted. */
  void warmUp() {
    pass();
    experts.takeNanos();
  }

  /** One forward and backward pass. */
  void measure() {
    long start = System.nanoTime();
    pass();
    long nanos = System.nanoTime() - start;
    millis.add(nanos * 1e-6);
    routingShares.add(1 - (double) experts.takeNanos() / nanos);
  }

  private void pass() {
    layer.forward(x, pass);
    layer.backward(dy, pass);
    backend.synchronize();
  }

  /** Milliseconds of each measured pass. */
  double[] millis() {
    return millis.stream().mapToDouble(Double::doubleValue).toArray();
  }

  /** Share of each measured pass that was not spent in the experts. */
  double[] routingShares() {
    return routingShares.stream().mapToDouble(Double::doubleValue).toArray();
  }

  /** Products of all assignments, forward and twice that backward, in 10^9. */
  double gigaFlops() {
    return 3 * experts.forwardFlopsPerRow() * MoeBenchCase.TOKENS * sizes.topK() * 1e-9;
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
