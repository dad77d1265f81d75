package dev.sparrow.spark.job;

import dev.sparrow.backend.Backend;
import dev.sparrow.checkpoint.CheckpointStore;
import dev.sparrow.checkpoint.ModelFile;
import dev.sparrow.collective.Collective;
import dev.sparrow.collective.DeviceCollective;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.BatchSource;
import dev.sparrow.model.Model;
import dev.sparrow.model.Models;
import dev.sparrow.optim.LearningRateSchedule;
import dev.sparrow.spark.shard.ManifestStore;
import dev.sparrow.spark.shard.ShardManifest;
import dev.sparrow.spark.shard.Split;
import dev.sparrow.sparsity.Method;
import dev.sparrow.train.MetricsSink;
import dev.sparrow.train.Replica;
import dev.sparrow.train.TrainSummary;
import dev.sparrow.train.Trainer;
import dev.sparrow.train.TrainerParts;
import java.util.function.Consumer;
import org.apache.hadoop.conf.Configuration;

/**
 * What one rank trains with, put together from settings and shards: method, model, readers,
 * trainer.
 *
 * @param shards their directory
 * @param checkpoints see {@link TrainerParts#checkpoints}
 * @param from see {@link TrainerParts#from}
 * @param metrics told on rank 0
 */
record RankTraining(
    Configuration hadoop,
    RunConfig config,
    String shards,
    CheckpointStore checkpoints,
    ModelFile from,
    MetricsSink metrics) {

  /**
   * @param trained given the model after its last step, before it is closed
   */
  TrainSummary run(Backend backend, Collective collective, Consumer<Model> trained) {
    ShardManifest manifest = new ManifestStore(hadoop, shards).read();
    Method method = Models.method(backend, config);
    Model model = RunModels.build(backend, config, manifest, method);
    BatchPlan plan =
        BatchPlan.of(
            config.train().batch(),
            config.train().microBatch(),
            collective.rank(),
            collective.size());
    Readers readers = new Readers(hadoop, shards, manifest.content(), config, backend::hostInts);
    boolean validates = manifest.part(Split.VALIDATION).rows() > 0;
    try (Replica replica = new Replica(backend, model, config.optimizer());
        BatchSource train = readers.training(plan)) {
      TrainerParts parts =
          new TrainerParts(
              replica,
              method,
              LearningRateSchedule.of(
                  config.schedule(), config.optimizer().learningRate(), config.train().steps()),
              train,
              validates ? () -> readers.validation(plan) : null,
              DeviceCollective.of(collective, backend),
              checkpoints,
              from,
              metrics,
              config,
              () -> false);
      TrainSummary summary = new Trainer(parts).run();
      trained.accept(model);
      return summary;
    }
  }
}
