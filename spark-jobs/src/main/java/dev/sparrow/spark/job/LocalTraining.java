package dev.sparrow.spark.job;

import dev.sparrow.backend.Backend;
import dev.sparrow.collective.LocalCollective;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.BatchSource;
import dev.sparrow.model.Model;
import dev.sparrow.nn.Workspace;
import dev.sparrow.train.Evaluation;
import dev.sparrow.train.Evaluator;
import dev.sparrow.train.MetricsSink;
import dev.sparrow.train.TrainSummary;
import org.apache.hadoop.conf.Configuration;

/**
 * One rank in this JVM, without a barrier stage or a run directory: for benchmarks that make many
 * short runs, which read shards as any training does.
 */
public final class LocalTraining {
  /**
   * @param summary of the training, validation of its own held-out rows after the last step
   * @param test of other shards' held-out rows, after the last step
   */
  public record Result(TrainSummary summary, Evaluation test) {}

  private final Configuration hadoop;
  private final Backend backend;

  public LocalTraining(Configuration hadoop, Backend backend) {
    this.hadoop = hadoop;
    this.backend = backend;
  }

  /**
   * Trains alone.
   *
   * @param metrics told every {@code train.log-every} steps
   */
  public TrainSummary train(RunConfig config, ShardJob.Shards shards, MetricsSink metrics) {
    return training(config, shards, metrics).run(backend, new LocalCollective(), model -> {});
  }

  /**
   * Trains, and tests once.
   *
   * @param tests whose validation split is tested on
   * @param metrics told every {@code train.log-every} steps
   */
  public Result trainAndTest(
      RunConfig config, ShardJob.Shards shards, ShardJob.Shards tests, MetricsSink metrics) {
    Evaluation[] test = new Evaluation[1];
    TrainSummary summary =
        training(config, shards, metrics)
            .run(
                backend,
                new LocalCollective(),
                model -> test[0] = evaluate(model, config, shards, tests));
    return new Result(summary, test[0]);
  }

  private RankTraining training(RunConfig config, ShardJob.Shards shards, MetricsSink metrics) {
    return new RankTraining(hadoop, config, shards.path(), null, null, metrics);
  }

  private Evaluation evaluate(
      Model model, RunConfig config, ShardJob.Shards shards, ShardJob.Shards tests) {
    Readers readers =
        new Readers(hadoop, tests.path(), shards.manifest().content(), config, backend::hostInts);
    BatchPlan plan = BatchPlan.of(config.train().batch(), config.train().microBatch(), 0, 1);
    // The trainer's own activations are gone by now: on a GPU their memory is another's.
    try (Workspace workspace = new Workspace(backend);
        BatchSource source = readers.validation(plan)) {
      model.reserve(workspace, plan.microBatch());
      return new Evaluator(model, new LocalCollective()).evaluate(source);
    }
  }
}
