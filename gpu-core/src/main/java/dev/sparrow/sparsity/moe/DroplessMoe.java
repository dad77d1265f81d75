package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.Backend;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.FigureSink;
import dev.sparrow.nn.Layer;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.ResidualBranch;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * Mixture-of-experts feed-forward (Gale et al. 2022): route, sort by expert, gather, the experts'
 * networks as grouped products over ragged rows, weighted scatter. With {@link DroplessDispatch} no
 * token is ever dropped, whatever the load.
 *
 * <pre>
 * out_t = Σ_j w_tj·expert_{e_tj}(x_t) (+ shared(x_t))
 * </pre>
 *
 * <p>Kept from forward to backward, besides what router and experts keep: the gathered rows (P,
 * width), unless the experts read the tokens' rows where they lie. The input itself stays the
 * caller's.
 */
public final class DroplessMoe implements ResidualBranch {
  private final Backend backend;
  private final Router router;
  private final Dispatch dispatch;
  private final Experts experts;
  private final Layer shared; // null: none
  private final int width;
  private final int topK;
  private final int[] load;
  private Plan plan;
  private Tensor x; // (T, width), the caller's
  private Tensor rows; // (P, width); null where the experts gather
  private Tensor y; // (P, width), the experts'
  private Tensor out; // (T, width), scratch; null with a shared layer, whose output is added to
  private Tensor dy; // (P, width), scratch
  private Tensor dx; // (T, width), scratch; null with a shared layer

  /**
   * @param shared a feed-forward that every token goes through, added to the output; null: none
   */
  public DroplessMoe(
      Backend backend, Router router, Dispatch dispatch, Experts experts, Layer shared) {
    this.backend = backend;
    this.router = router;
    this.dispatch = dispatch;
    this.experts = experts;
    this.shared = shared;
    this.width = router.spec().width();
    this.topK = router.spec().topK();
    this.load = new int[router.spec().experts()];
  }

  /** Where the choices are made. */
  public Router router() {
    return router;
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    if (shared != null) {
      shared.parameters(sink);
    }
    router.parameters(sink);
    experts.parameters(sink);
  }

  @Override
  public void buffers(Consumer<Buffer> sink) {
    if (shared != null) {
      shared.buffers(sink);
    }
    router.buffers(sink);
    experts.buffers(sink);
  }

  @Override
  public void reserve(Workspace workspace, int tokens) {
    int assignments = Math.multiplyExact(tokens, topK);
    if (shared == null) {
      out = workspace.scratch("moe.out", tokens, width);
      dx = workspace.scratch("moe.dx", tokens, width);
    } else {
      shared.reserve(workspace, tokens);
    }
    router.reserve(workspace, tokens);
    dispatch.reserve(workspace, tokens);
    experts.reserve(workspace, assignments);
    rows = experts.gathersRows() ? null : workspace.keep(assignments, width);
    dy = workspace.scratch("moe.dy", assignments, width);
  }

  @Override
  public Tensor forward(Tensor x, Pass pass) {
    this.x = x;
    Tensor out = shared == null ? this.out.first(x.rows()) : shared.forward(x, pass);
    router.forward(x, pass);
    Plan sorted = dispatch.plan(router.experts());
    plan = rows == null ? sorted : sorted.gathered();
    router.observe(plan.load(), pass);
    y = experts.forward(rows == null ? x : gathered(x), plan);
    backend.routing().scatter(y, plan.rowOf(), router.weights(), shared != null, out);
    return out;
  }

  @Override
  public void forward(Tensor x, Tensor residual, Pass pass, Tensor result) {
    backend.elementwise().add(residual, forward(x, pass), result);
  }

  private Tensor gathered(Tensor x) {
    Tensor copy = rows.first(x.rows() * topK);
    backend.routing().gather(x, plan.rowOf(), copy);
    return copy;
  }

  // dy_p = w_a·dout_t, dw_a = <y_p, dout_t>; dx_t = Σ_j dx_p + router's (+ shared's)
  @Override
  public Tensor backward(Tensor dout, Pass pass) {
    Tensor dy = this.dy.first(y.rows());
    backend
        .routing()
        .scatterBackward(dout, y, plan.rowOf(), router.weights(), dy, router.dweights());
    Tensor drows = experts.backward(dy, plan);
    Tensor dx = shared == null ? this.dx.first(dout.rows()) : shared.backward(dout, pass);
    backend.routing().gatherBackward(drows, plan.rowOf(), shared != null, dx);
    router.backward(x, pass, plan.load(), dx);
    return dx;
  }

  /** {@code dropped_tokens} counts assignments: a token of top-k counts up to k times. */
  @Override
  public void figures(FigureSink sink) {
    backend.downloadSync(plan.load(), load, 0);
    sink.figure("expert_load_max_over_mean", maxOverMean(load));
    sink.figure("dropped_tokens", plan.dropped());
    router.figures(load, sink);
    if (shared != null) {
      shared.figures(sink);
    }
  }

  private static double maxOverMean(int[] load) {
    long sum = 0;
    int largest = 0;
    for (int rows : load) {
      sum += rows;
      largest = Math.max(largest, rows);
    }
    return sum == 0 ? 1 : (double) largest * load.length / sum;
  }

  @Override
  public boolean recordable() {
    return dispatch.recordable() && experts.recordable() && (shared == null || shared.recordable());
  }

  @Override
  public void describe(LayerSummary.Sink sink) {
    if (shared != null) {
      shared.describe(sink);
    }
    router.describe(sink);
    experts.describe(topK, sink);
  }
}
