package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.Activation;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.GroupedLinearWeight;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * {@code y = f(x·W1_eᵀ)·W2_eᵀ}, without biases. Kept for backward: h = x·W1ᵀ, a = f(h) and y. To
 * recompute a would save a third of it and cost one more pass of f over (P, hidden).
 */
public final class PlainExperts implements Experts {
  private final Activation activation;
  private final GroupedLinearWeight up;
  private final GroupedLinearWeight down;
  private Tensor x; // (P, width) or (T, width), the caller's
  private Tensor h; // (P, hidden)
  private Tensor a; // (P, hidden)
  private Tensor y; // (P, width)
  private Tensor dh; // (P, hidden), scratch
  private Tensor dx; // (P, width), scratch

  /**
   * @param up (E, hidden, width)
   * @param down (E, width, hidden)
   */
  public PlainExperts(Activation activation, GroupedLinearWeight up, GroupedLinearWeight down) {
    this.activation = activation;
    this.up = up;
    this.down = down;
  }

  @Override
  public int count() {
    return up.groups();
  }

  @Override
  public boolean gathersRows() {
    return up.gathersRows();
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    up.parameters(sink);
    down.parameters(sink);
  }

  @Override
  public void buffers(Consumer<Buffer> sink) {
    up.buffers(sink);
    down.buffers(sink);
  }

  @Override
  public void reserve(Workspace workspace, int rows) {
    up.reserve(workspace, rows);
    down.reserve(workspace, rows);
    h = workspace.keep(rows, up.out());
    a = workspace.keep(rows, up.out());
    y = workspace.keep(rows, down.out());
    dh = workspace.scratch("moe.experts.dhidden", rows, up.out());
    dx = workspace.scratch("moe.experts.dx", rows, up.in());
  }

  @Override
  public Tensor forward(Tensor x, Plan plan) {
    this.x = x;
    int rows = plan.rowsFor(x);
    Tensor hidden = h.first(rows);
    up.activatedForward(activation, x, plan.tokenOf(), plan.offsets(), hidden, a.first(rows));
    down.forward(a.first(rows), null, plan.offsets(), y.first(rows));
    return y.first(rows);
  }

  // da = dy·W2, dh = da ⊙ f'(h), dx = dh·W1; dW2 += dyᵀ·a, dW1 += dhᵀ·x, each over the rows of e
  @Override
  public Tensor backward(Tensor dy, Plan plan) {
    int rows = dy.rows();
    Tensor hidden = dh.first(rows);
    down.activatedBackward(activation, h.first(rows), a.first(rows), dy, plan.offsets(), hidden);
    up.backward(x, plan.tokenOf(), hidden, plan.offsets(), false, dx.first(rows));
    return dx.first(rows);
  }

  @Override
  public void describe(int topK, LayerSummary.Sink sink) {
    up.describe(topK, sink);
    down.describe(topK, sink);
  }
}
