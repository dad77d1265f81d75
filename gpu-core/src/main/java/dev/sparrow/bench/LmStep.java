package dev.sparrow.bench;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.OptimizerSettings;
import dev.sparrow.data.Batch;
import dev.sparrow.data.TokenBatch;
import dev.sparrow.model.TransformerLm;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.optim.AdamW;
import dev.sparrow.optim.Optimizer;
import java.util.Random;

/**
 * One model's whole step: zero, forward, loss, backward, AdamW; the loss is waited for, so that the
 * device is idle between two steps.
 */
final class LmStep implements AutoCloseable {
  private static final double LEARNING_RATE = 1e-3;

  private final TransformerLm model;
  private final ParameterArena arena;
  private final Optimizer optimizer;
  private final Workspace workspace;
  private final TokenBatch fixed;
  private final Pass pass;
  private long updates;

  /**
   * @param backend stays open
   */
  LmStep(Backend backend, LmCase lm) {
    this.model = lm.model(backend);
    this.arena = new ParameterArena(backend, model.parameters());
    this.optimizer = new AdamW(settings(), backend, arena);
    this.workspace = new Workspace(backend);
    int context = lm.shape().context();
    this.fixed = new TokenBatch(lm.batch(), context, backend::hostInts);
    this.pass = new Pass(true, 0, 0, lm.batch(), context, 1.0 / lm.tokens());
    arena.initialize(0);
    model.reserve(workspace, lm.batch());
    Random random = new Random(0);
    for (int i = 0; i < fixed.tokens().limit(); i++) {
      fixed.tokens().put(i, random.nextInt(lm.vocabulary()));
    }
    fixed.filled(lm.batch(), 0);
  }

  /** torch.optim.AdamW's defaults. */
  private static OptimizerSettings settings() {
    return new OptimizerSettings(
        OptimizerSettings.Kind.ADAMW, LEARNING_RATE, 0.9, 0.999, 1e-8, 0.01, 0, false, 0);
  }

  /** One step on random tokens, always the same; the sum of its token losses. */
  double run() {
    return run(fixed);
  }

  /**
   * One step; the sum of its token losses.
   *
   * @param batch of the case's size
   */
  double run(Batch batch) {
    arena.zeroGradients();
    model.forwardBackward(batch, pass, null);
    optimizer.step(++updates, LEARNING_RATE, 1);
    return model.lossSumSync();
  }

  /** Of all products of a step: backward has two for each of forward. */
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
