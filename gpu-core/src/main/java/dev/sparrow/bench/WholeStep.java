package dev.sparrow.bench;

import dev.sparrow.backend.Backend;
import dev.sparrow.collective.Collective;
import dev.sparrow.collective.LocalCollective;
import dev.sparrow.config.OptimizerSettings;
import dev.sparrow.data.Batch;
import dev.sparrow.model.Model;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.DenseMethod;
import dev.sparrow.sparsity.Method;
import dev.sparrow.train.Replica;

/**
 * One model's whole step: zero, forward, loss, backward, AdamW, what the method then changes; the
 * loss is waited for, so that the device is idle between two steps.
 */
final class WholeStep implements AutoCloseable {
  private static final double LEARNING_RATE = 1e-3;

  private final Collective alone = new LocalCollective();
  private final Model model;
  private final Method method;
  private final Replica replica;
  private final Workspace workspace;
  private final Batch fixed;
  private final Pass pass;
  private long updates;

  /**
   * Of a model whose method changes nothing between steps.
   *
   * @param backend stays open
   * @param fixed of the size of all batches; closed with this
   */
  WholeStep(Backend backend, Model model, Batch fixed) {
    this(backend, model, new DenseMethod(backend), fixed);
  }

  /**
   * @param backend stays open
   * @param method of the model
   * @param fixed of the size of all batches; closed with this
   */
  WholeStep(Backend backend, Model model, Method method, Batch fixed) {
    this.model = model;
    this.method = method;
    this.replica = new Replica(backend, model, settings());
    this.workspace = new Workspace(backend);
    this.fixed = fixed;
    double targets = (double) fixed.samples() * model.targets();
    this.pass = new Pass(true, 0, 0, fixed.samples(), model.length(), 1 / targets);
    replica.arena().initialize(0);
    model.reserve(workspace, fixed.samples());
  }

  /** torch.optim.AdamW's defaults. */
  private static OptimizerSettings settings() {
    return new OptimizerSettings(
        OptimizerSettings.Kind.ADAMW, LEARNING_RATE, 0.9, 0.999, 1e-8, 0.01, 0, false, 0);
  }

  /** What the method does before the first step of a run. */
  void begin() {
    replica.apply(method, method.beforeRun(0, alone), alone);
  }

  /** One step on the fixed batch; the sum of its losses. */
  double run() {
    return run(fixed);
  }

  /**
   * One step; the sum of its losses.
   *
   * @param batch of the case's size
   */
  double run(Batch batch) {
    if (method.beforeStep(updates)) {
      model.parametersChanged();
    }
    replica.arena().zeroGradients();
    model.forwardBackward(batch, pass, null);
    replica.optimizer().step(++updates, LEARNING_RATE, 1);
    replica.apply(method, method.afterStep(updates, alone), alone);
    return model.lossSumSync();
  }

  /** A figure of the method's own; NaN where it has none of that name. */
  double figure(String name) {
    double[] found = {Double.NaN};
    method.figures((figure, value) -> found[0] = figure.equals(name) ? value : found[0]);
    return found[0];
  }

  /** Of a language model's products in a step: backward has two for each of forward. */
  double matmulFlops() {
    double[] forward = {0};
    LayerSummary.Sink sink = row -> forward[0] += row.forwardFlops();
    model.describe(sink);
    return 3 * forward[0] * pass.tokens();
  }

  @Override
  public void close() {
    fixed.close();
    workspace.close();
    replica.close();
    alone.close();
  }
}
