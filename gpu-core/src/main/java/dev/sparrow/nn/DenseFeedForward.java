package dev.sparrow.nn;

import dev.sparrow.backend.ActivationOps;
import dev.sparrow.backend.Backend;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * {@code down(f(up(x)))}, or gated {@code down(f(gate(x))·up(x))} (Shazeer 2020; SwiGLU with f =
 * SILU). Every token meets all weights.
 */
public final class DenseFeedForward implements ResidualBranch {
  private final FeedForwardSpec spec;
  private final ActivationOps activation;
  private final Linear gate; // null where not gated
  private final Linear up;
  private final Linear down;
  private Tensor gated; // (tokens, hidden), input of f where gated
  private Tensor raised; // (tokens, hidden), output of up, input of f where not gated
  private Tensor active; // (tokens, hidden), input of down
  private Tensor y; // (tokens, width), scratch
  private Tensor dactive; // (tokens, hidden), scratch: of active where gated, else of raised
  private Tensor dx; // (tokens, width), scratch
  private Tensor x; // (tokens, width), the caller's

  /**
   * @param weights makes the form of each matrix
   */
  public DenseFeedForward(
      Backend backend, FeedForwardSpec spec, Function<LinearSpec, LinearWeight> weights) {
    this.spec = spec;
    this.activation = backend.activation();
    this.gate = spec.gated() ? inner("gate", weights) : null;
    this.up = inner("up", weights);
    String path = spec.name() + ".down";
    LinearSpec matrix =
        new LinearSpec(path, spec.hidden(), spec.width(), spec.outputStandardDeviation());
    this.down = new Linear(path, weights.apply(matrix), spec.bias());
  }

  private Linear inner(String part, Function<LinearSpec, LinearWeight> weights) {
    String path = spec.name() + '.' + part;
    LinearSpec matrix = new LinearSpec(path, spec.width(), spec.hidden(), spec.standardDeviation());
    return new Linear(path, weights.apply(matrix), spec.bias());
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    if (gate != null) {
      gate.parameters(sink);
    }
    up.parameters(sink);
    down.parameters(sink);
  }

  @Override
  public void buffers(Consumer<Buffer> sink) {
    if (gate != null) {
      gate.buffers(sink);
    }
    up.buffers(sink);
    down.buffers(sink);
  }

  @Override
  public void reserve(Workspace workspace, int tokens) {
    if (gate != null) {
      gated = workspace.keep(tokens, spec.hidden());
      gate.reserve(workspace, tokens);
    }
    raised = workspace.keep(tokens, spec.hidden());
    active = workspace.keep(tokens, spec.hidden());
    y = workspace.scratch("branch.y", tokens, spec.width());
    dactive = workspace.scratch("feed_forward.dactive", tokens, spec.hidden());
    dx = workspace.scratch("branch.dx", tokens, spec.width());
    up.reserve(workspace, tokens);
    down.reserve(workspace, tokens);
  }

  @Override
  public Tensor forward(Tensor x, Pass pass) {
    Tensor result = y.first(pass.tokens());
    down.forward(hidden(x, pass), null, result);
    return result;
  }

  @Override
  public void forward(Tensor x, Tensor residual, Pass pass, Tensor result) {
    down.forward(hidden(x, pass), residual, result);
  }

  /** The input of down. */
  private Tensor hidden(Tensor x, Pass pass) {
    this.x = x;
    int tokens = pass.tokens();
    Tensor u = raised.first(tokens);
    Tensor a = active.first(tokens);
    if (gate == null) {
      up.activatedForward(spec.activation(), x, u, a);
      return a;
    }
    Tensor g = gated.first(tokens);
    up.forward(x, null, u);
    gate.forward(x, null, g);
    activation.gated(spec.activation(), g, u, a);
    return a;
  }

  @Override
  public Tensor backward(Tensor dy, Pass pass) {
    int tokens = pass.tokens();
    Tensor u = raised.first(tokens);
    Tensor da = dactive.first(tokens);
    Tensor result = dx.first(tokens);
    Tensor a = active.first(tokens);
    if (gate == null) {
      down.activatedBackward(spec.activation(), u, a, dy, da);
      up.backward(x, da, false, result);
      return result;
    }
    down.backward(a, dy, false, da);
    // The inputs of the product are needed no more: their gradients take their place.
    Tensor g = gated.first(tokens);
    activation.gatedBackward(spec.activation(), g, u, da, g, u);
    up.backward(x, u, false, result);
    gate.backward(x, g, true, result);
    return result;
  }

  @Override
  public void describe(LayerSummary.Sink sink) {
    if (gate != null) {
      gate.describe(sink);
    }
    up.describe(sink);
    down.describe(sink);
  }
}
