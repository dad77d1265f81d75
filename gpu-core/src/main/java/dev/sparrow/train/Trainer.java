package dev.sparrow.train;

import dev.sparrow.config.Train;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.BatchSource;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.ModelChange;
import java.util.Map;

/**
 * Trains one rank's replica in step with the others: resumes, steps, tells, validates, saves. Knows
 * no cluster; {@link TrainerParts} brings all that touches the outside. For one run, on the thread
 * that opened the backend.
 */
public final class Trainer {
  private final TrainerParts parts;
  private final Train settings;
  private final BatchPlan plan;
  private final StepClock clock = new StepClock();
  private final Divergence divergence;
  private Evaluation validation; // the last one; null before
  private long validationNanos;

  /** Throws {@link IllegalArgumentException} where the batch does not divide over the ranks. */
  public Trainer(TrainerParts parts) {
    this.parts = parts;
    this.settings = parts.config().train();
    this.plan =
        BatchPlan.of(
            settings.batch(),
            settings.microBatch(),
            parts.collective().rank(),
            parts.collective().size());
    this.divergence = new Divergence(parts.replica());
  }

  /**
   * Trains until the last step or a stop request, from the newest checkpoint if there is one.
   *
   * @throws TrainingDivergedException on every rank, at the same step, where loss or gradient is
   *     not finite; no checkpoint is written of it
   * @throws TrainingInterruptedException where the thread was interrupted
   * @throws dev.sparrow.checkpoint.CheckpointException where a checkpoint cannot be written, or the
   *     newest does not fit the model
   */
  public TrainSummary run() {
    long begun = System.nanoTime();
    try (Workspace workspace = new Workspace(parts.backend());
        RunCheckpoints checkpoints = new RunCheckpoints(parts)) {
      parts.model().reserve(workspace, plan.microBatch());
      long resumed = checkpoints.restore();
      parts.method().epochOf((double) parts.train().samplesPerEpoch() / plan.globalBatch());
      ModelChange change = parts.method().beforeRun(resumed, parts.collective());
      parts.replica().apply(parts.method(), change, parts.collective());
      try (TrainStep step = new TrainStep(parts, plan, workspace, clock)) {
        return run(begun, resumed, step, checkpoints);
      }
    }
  }

  private TrainSummary run(long begun, long resumed, TrainStep step, RunCheckpoints checkpoints) {
    tellStart(resumed);
    long done = loop(resumed, step, checkpoints);
    boolean stopped = done < settings.steps();
    if (!stopped && validation == null) {
      validate();
    }
    double loss = done == resumed ? Double.NaN : step.loss();
    double seconds = (System.nanoTime() - begun) / 1e9;
    return summary(done, stopped, loss, done * step.globalTargets(), seconds);
  }

  private void tellStart(long done) {
    if (parts.collective().rank() == 0) {
      parts.metrics().start(done, settings.steps());
    }
  }

  private long loop(long resumed, TrainStep step, RunCheckpoints checkpoints) {
    long done = resumed;
    boolean stopped = false;
    clock.start();
    while (done < settings.steps() && !stopped) {
      requireNotInterrupted(done);
      stopped = step.run(done, checkpoints.lastInWords());
      done++;
      boolean last = done == settings.steps();
      tell(done, step, last || stopped, isDue(settings.validateEvery(), done) || last);
      if (isDue(parts.config().checkpoint().every(), done) || last || stopped) {
        divergence.requireFiniteWeights(done, checkpoints.lastInWords());
        averageBuffers();
        checkpoints.save(done);
      }
    }
    return done;
  }

  private static boolean isDue(int every, long step) {
    return every > 0 && step % every == 0;
  }

  private static void requireNotInterrupted(long done) {
    if (Thread.interrupted()) {
      throw new TrainingInterruptedException("training: interrupted after step " + done);
    }
  }

  /** Gives a row where one is due. All ranks take part; rank 0 tells. */
  private void tell(long done, TrainStep step, boolean ends, boolean validates) {
    boolean validated = validates && parts.validation() != null;
    if (!validated && !ends && !isDue(settings.logEvery(), done)) {
      return;
    }
    StepClock.Window window = clock.lap();
    clock.pause();
    FiguresMean figures = new FiguresMean();
    parts.model().figures(figures);
    parts.method().figures(figures);
    figures.figure("parameters", parts.arena().parameterCount());
    figures.figure("all_reduce_bytes", allReduceBytes());
    Map<String, Double> means = figures.over(parts.collective());
    Evaluation fresh = validated ? validate() : null;
    if (parts.collective().rank() == 0) {
      parts.metrics().row(row(done, step, window, fresh, means));
    }
    clock.resume();
  }

  /** What each rank gives and gets in a step: all gradients, where there are others. */
  private long allReduceBytes() {
    return parts.collective().size() == 1 ? 0 : parts.arena().gradients().bytes();
  }

  private MetricsRow row(
      long done,
      TrainStep step,
      StepClock.Window window,
      Evaluation fresh,
      Map<String, Double> figures) {
    return new MetricsRow(
        done,
        (double) parts.train().position() / parts.train().samplesPerEpoch(),
        parts.model().unit(),
        done * step.globalTargets(),
        step.loss(),
        step.learningRate(),
        step.gradientNorm(),
        window.unitsPerSecond(),
        window.reduceWaitShare(),
        window.dataWaitShare(),
        fresh == null ? Double.NaN : fresh.loss(),
        fresh == null ? Double.NaN : fresh.accuracy(),
        figures);
  }

  /** Over the validation split; null without one. */
  private Evaluation validate() {
    if (parts.validation() != null) {
      long start = System.nanoTime();
      averageBuffers();
      try (BatchSource source = parts.validation().get()) {
        validation = new Evaluator(parts.model(), parts.collective()).evaluate(source);
      }
      validationNanos += System.nanoTime() - start;
    }
    return validation;
  }

  private void averageBuffers() {
    BufferAverage.take(parts.backend(), parts.model().buffers(), parts.collective());
  }

  private TrainSummary summary(
      long done, boolean stopped, double loss, long trained, double seconds) {
    Evaluation last = stopped ? null : validation;
    long[] active = {0};
    LayerSummary.Sink sink = row -> active[0] += row.activeParameters();
    parts.model().describe(sink);
    return new TrainSummary(
        parts.method().name(),
        done,
        stopped,
        loss,
        last == null ? Double.NaN : last.loss(),
        last == null ? null : last.confusion(),
        parts.arena().parameterCount(),
        active[0],
        parts.model().unit(),
        trained,
        clock.unitsPerSecond(),
        seconds,
        validationNanos / 1e9,
        parts.collective().size(),
        parts.backend().description());
  }
}
