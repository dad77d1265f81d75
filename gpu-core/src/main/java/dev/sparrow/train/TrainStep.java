package dev.sparrow.train;

import dev.sparrow.data.Batch;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.model.Model;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.optim.GradientClipping;
import dev.sparrow.sparsity.ModelChange;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * One update: all micro-batches of the global batch, the sum over ranks, clipping, the optimizer.
 * Makes no objects but a {@link Pass} a micro-batch. What it decides, it decides from sums that all
 * ranks share.
 *
 * <p>The host waits for the device once: for losses and gradient norm together, when all passes are
 * queued, so that the device goes from one micro-batch to the next by itself. Sums over ranks and a
 * method's own work after the step may wait besides.
 */
final class TrainStep implements AutoCloseable {
  private final TrainerParts parts;
  private final BatchPlan plan;
  private final GradientClipping clipping;
  private final Divergence divergence;
  private final StepClock clock;
  private final long seed;
  private final Tensor losses; // F64 (1), this rank's sum over the micro-batches
  private final Tensor squaredNorm; // F64 (1), of all ranks' gradients
  private final Tensor results; // F64 (2), both
  private final double[] host = new double[2]; // both
  private final double[] sums = new double[2]; // loss, stop votes

  private GradientReduction reduction;
  private Consumer<Parameter> complete; // null: nobody waits
  private double loss;
  private double gradientNorm;
  private double learningRate;

  TrainStep(TrainerParts parts, BatchPlan plan, Workspace workspace, StepClock clock) {
    this.parts = parts;
    this.plan = plan;
    this.clipping = new GradientClipping(parts.config().optimizer().clipNorm());
    this.divergence = new Divergence(parts.replica());
    this.clock = clock;
    this.seed = parts.config().train().seed();
    this.results = workspace.keep(DType.F64, 2);
    this.losses = results.first(1);
    this.squaredNorm = results.slice(1, 1);
    reduceArena();
  }

  /** Sums the gradients of the arena as it is now. */
  private void reduceArena() {
    reduction =
        parts.collective().size() == 1
            ? GradientReduction.NONE
            : new OverlappedReduction(
                parts.collective(), parts.arena(), parts.config().cluster().bucketMib());
    complete = reduction.listens() ? reduction::ready : null;
  }

  /**
   * @param done updates done before
   * @param lastCheckpoint in words, should this step diverge
   * @return whether a rank asks to stop
   */
  boolean run(long done, String lastCheckpoint) {
    if (parts.method().beforeStep(done)) {
      parts.model().parametersChanged();
    }
    parts.arena().zeroGradients();
    accumulate();
    sums[1] = parts.stop().getAsBoolean() ? 1 : 0;
    awaitGradients();
    parts.backend().elementwise().squaredNorm(parts.arena().gradients(), squaredNorm);
    parts.backend().downloadSync(results, host, 0);
    sums[0] = host[0];
    parts.collective().allReduce(sums);
    loss = sums[0] / globalTargets();
    gradientNorm = Math.sqrt(host[1]);
    divergence.requireFinite(done + 1, loss, gradientNorm, lastCheckpoint);
    learningRate = parts.schedule().rate(done) * parts.method().learningRateScale();
    double scale = clipping.scale(gradientNorm);
    parts.method().beforeUpdate(done, learningRate, scale);
    parts.optimizer().step(done + 1, learningRate, scale);
    apply(parts.method().afterStep(done + 1, parts.collective()));
    clock.units(globalTargets());
    return sums[1] > 0;
  }

  private void apply(ModelChange change) {
    long generation = parts.replica().generation();
    parts.replica().apply(parts.method(), change, parts.collective());
    if (parts.replica().generation() != generation) {
      reduction.close();
      reduceArena();
    }
  }

  /** Forward and backward of this rank's micro-batches, and the sum of their losses. */
  private void accumulate() {
    Model model = parts.model();
    for (int i = 0; i < plan.accumulation(); i++) {
      Batch batch = nextBatch();
      boolean last = i == plan.accumulation() - 1;
      model.forwardBackward(batch, pass(batch), last ? complete : null);
      model.lossSum(i > 0, losses);
    }
  }

  private Batch nextBatch() {
    long start = System.nanoTime();
    Batch batch = parts.train().next();
    clock.dataWait(System.nanoTime() - start);
    if (batch == null || batch.samples() != plan.microBatch()) {
      throw new IllegalStateException(
          "training source: expected batches of "
              + plan.microBatch()
              + " samples without end, got "
              + (batch == null ? "its end" : batch.samples() + " samples")
              + "; open it under the trainer's own batch plan");
    }
    return batch;
  }

  private Pass pass(Batch batch) {
    int length = parts.model().length();
    return new Pass(
        true, seed, batch.firstSample() * length, batch.samples(), length, 1.0 / globalTargets());
  }

  private void awaitGradients() {
    long start = System.nanoTime();
    reduction.await();
    clock.reduceWait(System.nanoTime() - start);
  }

  /** What one update predicts over all ranks: tokens, or samples. */
  long globalTargets() {
    return (long) plan.globalBatch() * parts.model().targets();
  }

  /** Mean loss of the last update's global batch. */
  double loss() {
    return loss;
  }

  /** Before clipping. */
  double gradientNorm() {
    return gradientNorm;
  }

  double learningRate() {
    return learningRate;
  }

  @Override
  public void close() {
    reduction.close();
  }
}
