package dev.sparrow.bench;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.OptimizerSettings;
import dev.sparrow.data.Batch;
import dev.sparrow.model.Model;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.optim.AdamW;
import dev.sparrow.optim.Optimizer;

/**
 * One model's whole step: zero, forward, loss, backward, AdamW; the loss is waited for, so that the
 * device is idle between two steps.
 */
final class WholeStep implements AutoCloseable {
  private static final double LEARNING_RATE = 1e-3;

  private final Model model;
  private final ParameterArena arena;
  private final Optimizer optimizer;
  private final Workspace workspace;
  private final Batch fixed;
  private final Pass pass;
  private long updates;

  /**
   * @param backend stays open
   * @param fixed of the size of all batches; closed with this
   */
  WholeStep(Backend backend, Model model, Batch fixed) {
    this.model = model;
    this.arena = new ParameterArena(backend, model.parameters());
    this.optimizer = new AdamW(settings(), backend, arena);
    this.workspace = new Workspace(backend);
    this.fixed = fixed;
    double targets = (double) fixed.samples() * model.targets();
    this.pass = new Pass(true, 0, 0, fixed.samples(), model.length(), 1 / targets);
    arena.initialize(0);
    model.reserve(workspace, fixed.samples());
  }

  /** torch.optim.AdamW's defaults. */
  private static OptimizerSettings settings() {
    return new OptimizerSettings(
        OptimizerSettings.Kind.ADAMW, LEARNING_RATE, 0.9, 0.999, 1e-8, 0.01, 0, false, 0);
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
    arena.zeroGradients();
    model.forwardBackward(batch, pass, null);
    optimizer.step(++updates, LEARNING_RATE, 1);
    return model.lossSumSync();
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
    optimizer.close();
    arena.close();
  }
}
