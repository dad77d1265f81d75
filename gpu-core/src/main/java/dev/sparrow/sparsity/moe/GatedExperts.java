package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.GroupedLinearWeight;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * {@code y = (f(x·V1_eᵀ) ⊙ x·W1_eᵀ)·W2_eᵀ} (Shazeer 2020), without biases; V1 is the gate. Kept for
 * backward: both halves g = x·V1ᵀ and u = x·W1ᵀ, a = f(g) ⊙ u, and y.
 */
public final class GatedExperts implements Experts {
  private final Backend backend;
  private final Activation activation;
  private final GroupedLinearWeight gate;
  private final GroupedLinearWeight up;
  private final GroupedLinearWeight down;
  private Tensor x; // (P, width) or (T, width), the caller's
  private Tensor g; // (P, hidden), then its gradient
  private Tensor u; // (P, hidden), then its gradient
  private Tensor a; // (P, hidden)
  private Tensor y; // (P, width)
  private Tensor da; // (P, hidden), scratch
  private Tensor dx; // (P, width), scratch

  /**
   * @param gate (E, hidden, width)
   * @param up (E, hidden, width)
   * @param down (E, width, hidden)
   */
  public GatedExperts(
      Backend backend,
      Activation activation,
      GroupedLinearWeight gate,
      GroupedLinearWeight up,
      GroupedLinearWeight down) {
    this.backend = backend;
    this.activation = activation;
    this.gate = gate;
    this.up = up;
    this.down = down;
  }

  @Override
  public int count() {
    return up.groups();
  }

  @Override
  public boolean gathersRows() {
    return gate.gathersRows() && up.gathersRows();
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    gate.parameters(sink);
    up.parameters(sink);
    down.parameters(sink);
  }

  @Override
  public void buffers(Consumer<Buffer> sink) {
    gate.buffers(sink);
    up.buffers(sink);
    down.buffers(sink);
  }

  @Override
  public void reserve(Workspace workspace, int rows) {
    gate.reserve(workspace, rows);
    up.reserve(workspace, rows);
    down.reserve(workspace, rows);
    g = workspace.keep(rows, up.out());
    u = workspace.keep(rows, up.out());
    a = workspace.keep(rows, up.out());
    y = workspace.keep(rows, down.out());
    da = workspace.scratch("moe.experts.dhidden", rows, up.out());
    dx = workspace.scratch("moe.experts.dx", rows, up.in());
  }

  @Override
  public Tensor forward(Tensor x, Plan plan) {
    this.x = x;
    int rows = plan.rowsFor(x);
    int used = plan.rows();
    gate.forward(x, plan.tokenOf(), plan.offsets(), g.first(rows));
    up.forward(x, plan.tokenOf(), plan.offsets(), u.first(rows));
    backend.activation().gated(activation, g.first(used), u.first(used), a.first(used));
    down.forward(a.first(rows), null, plan.offsets(), y.first(rows));
    return y.first(rows);
  }

  // da = dy·W2, dg = da ⊙ u ⊙ f'(g), du = da ⊙ f(g), dx = dg·V1 + du·W1
  @Override
  public Tensor backward(Tensor dy, Plan plan) {
    int rows = dy.rows();
    down.backward(a.first(rows), null, dy, plan.offsets(), false, da.first(rows));
    activationBackward(plan.rows());
    gate.backward(x, plan.tokenOf(), g.first(rows), plan.offsets(), false, dx.first(rows));
    up.backward(x, plan.tokenOf(), u.first(rows), plan.offsets(), true, dx.first(rows));
    return dx.first(rows);
  }

  private void activationBackward(int used) {
    Tensor dg = g.first(used);
    Tensor du = u.first(used);
    backend.activation().gatedBackward(activation, dg, du, da.first(used), dg, du);
  }

  @Override
  public void describe(int topK, LayerSummary.Sink sink) {
    gate.describe(topK, sink);
    up.describe(topK, sink);
    down.describe(topK, sink);
  }
}
