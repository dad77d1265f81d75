package dev.sparrow.train;

import static java.util.Objects.requireNonNull;

import dev.sparrow.backend.Backend;
import dev.sparrow.checkpoint.CheckpointStore;
import dev.sparrow.checkpoint.ModelFile;
import dev.sparrow.collective.Collective;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.BatchSource;
import dev.sparrow.model.Model;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.optim.LearningRateSchedule;
import dev.sparrow.optim.Optimizer;
import dev.sparrow.sparsity.Method;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/**
 * All that a {@link Trainer} works with on one rank. Everything here stays the caller's to close,
 * after the run; sources that {@code validation} supplies are closed by the trainer.
 *
 * @param replica the trainer sets its weights, from the newest checkpoint or the seed
 * @param method of the replica's model
 * @param train this rank's stripe under {@link dev.sparrow.data.BatchPlan#of}
 * @param validation a fresh pass over this rank's stripe of the validation split, whose next() ends
 *     with null; batches of at most the training micro-batch; null: nothing is validated
 * @param checkpoints read and written by rank 0 alone, so null elsewhere; null on rank 0: nothing
 *     is saved or resumed
 * @param from where {@code train.from} is set, the model to start from, read by rank 0 alone; else
 *     null
 * @param metrics called on rank 0 alone
 * @param stop asked on every rank once a step; true on one rank ends the run on all after that step
 *     with a checkpoint
 */
public record TrainerParts(
    Replica replica,
    Method method,
    LearningRateSchedule schedule,
    BatchSource train,
    Supplier<BatchSource> validation,
    Collective collective,
    CheckpointStore checkpoints,
    ModelFile from,
    MetricsSink metrics,
    RunConfig config,
    BooleanSupplier stop) {
  public TrainerParts {
    requireNonNull(replica, "replica");
    requireNonNull(method, "method");
    requireNonNull(schedule, "schedule");
    requireNonNull(train, "train");
    requireNonNull(collective, "collective");
    requireNonNull(metrics, "metrics");
    requireNonNull(config, "config");
    requireNonNull(stop, "stop");
  }

  Backend backend() {
    return replica.backend();
  }

  Model model() {
    return replica.model();
  }

  ParameterArena arena() {
    return replica.arena();
  }

  Optimizer optimizer() {
    return replica.optimizer();
  }
}
