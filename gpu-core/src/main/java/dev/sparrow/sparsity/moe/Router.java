package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.RandomKey;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.FigureSink;
import dev.sparrow.nn.Initializer;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * Softmax router without bias: logits = x·Wᵀ, p = softmax over all E experts, the k largest are
 * chosen and weigh their experts' outputs. fp32 whatever the experts are in.
 *
 * <p>Auxiliary losses, averaged over the model's routers and added to the mean token loss:
 *
 * <pre>
 * load balancing  w·E/(T·k) · Σ_e load_e · mean_t(p_te)        (Fedus et al. 2022, §2.2; MegaBlocks)
 * z-loss          w · mean_t(logsumexp_t²)                     (Zoph et al. 2022, §3.2)
 * </pre>
 *
 * They are taken over a micro-batch of T tokens. {@code Pass.lossScale} is 1 / tokens of the global
 * batch, so a micro-batch's losses carry the weight T·lossScale: the gradients add up, over
 * micro-batches and ranks, to those of the mean over the global batch.
 */
public final class Router {
  private final Backend backend;
  private final RouterSpec spec;
  private final Parameter weight; // (E, width)
  private final BalancingBias bias; // null: no loss-free balancing
  private final AuxiliaryLosses losses;
  private final long jitterStream;
  private Tensor logits; // (T, E)
  private Tensor probabilities; // (T, E)
  private Tensor weights; // (T, k)
  private Tensor experts; // I32 (T, k)
  private Tensor jittered; // (T, width), scratch; null without jitter
  private Tensor dlogits; // (T, E), scratch
  private Tensor dweights; // (T, k), scratch
  private int tokens;

  public Router(Backend backend, RouterSpec spec) {
    this.backend = backend;
    this.spec = spec;
    this.weight =
        Parameter.matrix(
            name() + ".weight",
            Initializer.normal(spec.standardDeviation()),
            spec.experts(),
            spec.width());
    this.bias =
        spec.biasBalancing() > 0
            ? new BalancingBias(backend, name() + ".bias", spec.experts(), spec.biasBalancing())
            : null;
    this.losses = new AuxiliaryLosses(backend, spec);
    this.jitterStream = RandomKey.streamOf(name() + ".jitter");
  }

  private String name() {
    return spec.name() + ".router";
  }

  public RouterSpec spec() {
    return spec;
  }

  /** The bias of loss-free balancing, or null where it is off. */
  public BalancingBias balancingBias() {
    return bias;
  }

  public void parameters(Consumer<Parameter> sink) {
    sink.accept(weight);
  }

  public void buffers(Consumer<Buffer> sink) {
    if (bias != null) {
      sink.accept(bias.buffer());
    }
  }

  public void reserve(Workspace workspace, int tokens) {
    logits = workspace.keepFloat(tokens, spec.experts());
    probabilities = workspace.keepFloat(tokens, spec.experts());
    weights = workspace.keepFloat(tokens, spec.topK());
    experts = workspace.keep(DType.I32, tokens, spec.topK());
    dlogits = workspace.scratchFloat("moe.router.dlogits", tokens, spec.experts());
    dweights = workspace.scratchFloat("moe.router.dweights", tokens, spec.topK());
    jittered = spec.jitter() > 0 ? workspace.scratch("moe.router.x", tokens, spec.width()) : null;
    losses.reserve(tokens);
  }

  /** Chooses experts for x (T, width); {@link #experts} and {@link #weights} are then known. */
  public void forward(Tensor x, Pass pass) {
    tokens = x.rows();
    backend.matmul().forward(input(x, pass), weight.value(), null, null, logits());
    backend
        .routing()
        .topK(
            logits(),
            bias == null ? null : bias.buffer().value(),
            spec.normalization(),
            probabilities(),
            weights(),
            experts());
  }

  /** The jittered input, drawn again in the backward pass rather than kept. */
  private Tensor input(Tensor x, Pass pass) {
    if (!jitters(pass)) {
      return x;
    }
    Tensor out = jittered.first(x.rows());
    jitter(x, pass, false, out);
    return out;
  }

  private boolean jitters(Pass pass) {
    return pass.training() && jittered != null;
  }

  private void jitter(Tensor x, Pass pass, boolean accumulate, Tensor out) {
    backend
        .routing()
        .jitter(x, spec.jitter(), pass.draws(jitterStream, spec.width()), accumulate, out);
  }

  /**
   * Adds the router's gradients, those of the auxiliary losses included.
   *
   * @param x that of the forward pass
   * @param load I32 (E): assignments that chose each expert
   * @param dx (T, width), added to; {@link #dweights} holds the gradient of {@link #weights}
   */
  public void backward(Tensor x, Pass pass, Tensor load, Tensor dx) {
    Tensor dlogits = this.dlogits.first(tokens);
    backend
        .routing()
        .topKBackward(
            dweights(),
            experts(),
            weights(),
            spec.normalization(),
            probabilities(),
            losses.loadBalancingGradient(load, tokens, pass.lossScale()),
            losses.zLossScale(pass.lossScale()),
            logits(),
            dlogits);
    backend.matmul().backwardWeight(dlogits, input(x, pass), weight.gradient(), null);
    if (jitters(pass)) {
      Tensor dinput = jittered.first(tokens);
      backend.matmul().backwardInput(dlogits, weight.value(), false, dinput);
      jitter(dinput, pass, true, dx);
    } else {
      backend.matmul().backwardInput(dlogits, weight.value(), true, dx);
    }
  }

  /** Tells the balancing bias how many assignments chose each expert. */
  void observe(Tensor load, Pass pass) {
    if (bias != null && pass.training()) {
      bias.count(load);
    }
  }

  /** I32 (T, k) of the last pass. */
  public Tensor experts() {
    return experts.first(tokens);
  }

  /** (T, k) of the last pass. */
  public Tensor weights() {
    return weights.first(tokens);
  }

  /** (T, k), scratch: where the caller of backward puts the gradient of {@link #weights}. */
  public Tensor dweights() {
    return dweights.first(tokens);
  }

  private Tensor logits() {
    return logits.first(tokens);
  }

  private Tensor probabilities() {
    return probabilities.first(tokens);
  }

  void figures(int[] load, FigureSink sink) {
    losses.figures(load, probabilities(), logits(), sink);
  }

  void describe(LayerSummary.Sink sink) {
    String kind = "Router " + spec.width() + " -> top-" + spec.topK() + " of " + spec.experts();
    sink.row(new LayerSummary(name(), kind, weight.size(), weight.size(), 2.0 * weight.size()));
  }
}
