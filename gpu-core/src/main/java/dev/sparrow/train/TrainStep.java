package dev.sparrow.train;

import dev.sparrow.data.Batch;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.model.Model;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import dev.sparrow.optim.GradientClipping;
import java.util.function.Consumer;

/**
 * One update: all micro-batches of the global batch, the sum over ranks, clipping, the optimizer.
 * Makes no objects but a {@link Pass} a micro-batch. What it decides, it decides from sums that all
 * ranks share.
 */
final class TrainStep {
  private final TrainerParts parts;
  private final BatchPlan plan;
  private final GradientReduction reduction;
  private final Consumer<Parameter> complete; // null: nobody waits
  private final GradientClipping clipping;
  private final Divergence divergence;
  private final StepClock clock;
  private final long seed;
  private final double[] sums = new double[2]; // loss, stop votes

  private double loss;
  private double gradientNorm;
  private double learningRate;

  TrainStep(
      TrainerParts parts,
      BatchPlan plan,
      GradientReduction reduction,
      Divergence divergence,
      StepClock clock) {
    this.parts = parts;
    this.plan = plan;
    this.reduction = reduction;
    this.complete = reduction.listens() ? reduction::ready : null;
    this.clipping = new GradientClipping(parts.config().optimizer().clipNorm());
    this.divergence = divergence;
    this.clock = clock;
    this.seed = parts.config().train().seed();
  }

  /**
   * @param done updates done before
   * @param lastCheckpoint in words, should this step diverge
   * @return whether a rank asks to stop
   */
  boolean run(long done, String lastCheckpoint) {
    parts.arena().zeroGradients();
    sums[0] = accumulate();
    sums[1] = parts.stop().getAsBoolean() ? 1 : 0;
    awaitGradients();
    parts.collective().allReduce(sums);
    loss = sums[0] / globalTokens();
    gradientNorm =
        Math.sqrt(parts.backend().elementwise().squaredNormSync(parts.arena().gradients()));
    divergence.requireFinite(done + 1, loss, gradientNorm, lastCheckpoint);
    learningRate = parts.schedule().rate(done);
    parts.optimizer().step(done + 1, learningRate, clipping.scale(gradientNorm));
    parts.method().afterStep(done + 1, parts.collective());
    clock.tokens(globalTokens());
    return sums[1] > 0;
  }

  /** Forward and backward of this rank's micro-batches; the sum of their losses. */
  private double accumulate() {
    Model model = parts.model();
    double sum = 0;
    for (int i = 0; i < plan.accumulation(); i++) {
      Batch batch = nextBatch();
      boolean last = i == plan.accumulation() - 1;
      model.forwardBackward(batch, pass(batch), last ? complete : null);
      sum += model.lossSumSync();
    }
    return sum;
  }

  private Batch nextBatch() {
    long start = System.nanoTime();
    Batch batch = parts.train().next();
    clock.dataWait(System.nanoTime() - start);
    if (batch == null || batch.sequences() != plan.microBatch()) {
      throw new IllegalStateException(
          "training source: expected batches of "
              + plan.microBatch()
              + " sequences without end, got "
              + (batch == null ? "its end" : batch.sequences() + " sequences")
              + "; open it under the trainer's own batch plan");
    }
    return batch;
  }

  private Pass pass(Batch batch) {
    return new Pass(
        true,
        seed,
        batch.firstSample() * batch.context(),
        batch.sequences(),
        batch.context(),
        1.0 / globalTokens());
  }

  private void awaitGradients() {
    long start = System.nanoTime();
    reduction.await();
    clock.reduceWait(System.nanoTime() - start);
  }

  /** Predicted tokens of one update over all ranks. */
  long globalTokens() {
    return (long) plan.globalBatch() * parts.config().model().context();
  }

  /** Mean token loss of the last update's global batch. */
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
}
