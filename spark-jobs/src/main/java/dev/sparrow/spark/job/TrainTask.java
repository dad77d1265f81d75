package dev.sparrow.spark.job;

import dev.sparrow.backend.Backend;
import dev.sparrow.checkpoint.CheckpointStore;
import dev.sparrow.checkpoint.ModelFile;
import dev.sparrow.collective.Collective;
import dev.sparrow.collective.CollectiveException;
import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.cluster.Agreement;
import dev.sparrow.spark.cluster.RankMessage;
import dev.sparrow.spark.cluster.RankMessages;
import dev.sparrow.spark.cluster.RankTask;
import dev.sparrow.spark.cluster.Rendezvous;
import dev.sparrow.spark.files.HadoopFileStore;
import dev.sparrow.train.MetricsRow;
import dev.sparrow.train.MetricsSink;
import dev.sparrow.train.TrainSummary;
import dev.sparrow.train.TrainingInterruptedException;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.apache.spark.BarrierTaskContext;
import org.apache.spark.util.SerializableConfiguration;

/**
 * One rank of a training job, from the task's start to its end: backend, rendezvous, reader, model,
 * trainer. A failure that another attempt may cure (a lost peer, a lost disk) is thrown, so that
 * Spark tries the stage again; one that would come again is returned.
 */
final class TrainTask implements RankTask {
  private static final long serialVersionUID = 1L;

  private final String runId;
  private final String configText;
  private final String runPath;
  private final String shards;
  private final SerializableConfiguration hadoop;

  /**
   * @param configText resolved settings, parsed again on the executor
   * @param shards directory of the shards
   */
  TrainTask(
      String runId,
      String configText,
      String runPath,
      String shards,
      SerializableConfiguration hadoop) {
    this.runId = runId;
    this.configText = configText;
    this.runPath = runPath;
    this.shards = shards;
    this.hadoop = hadoop;
  }

  @Override
  public String run(BarrierTaskContext context) throws Exception {
    RunConfig config = ConfigParser.parse(configText, "config.conf", List.of());
    Outcome outcome = ending(context, config).agreed(context);
    return context.partitionId() == 0 ? outcome.toJson() : null;
  }

  /** All that is caught here is past the rendezvous: up to there another attempt may do better. */
  private Ending ending(BarrierTaskContext context, RunConfig config) {
    try (Collective collective = Rendezvous.join(context, runId, config.cluster())) {
      return attempt(context, config, collective);
    }
  }

  private Ending attempt(BarrierTaskContext context, RunConfig config, Collective collective) {
    try {
      return Ending.done(train(context, config, collective));
    } catch (CollectiveException | TrainingInterruptedException e) {
      return Ending.failed(e);
    } catch (Exception e) {
      // Of what comes again the driver hears by the result; a rank that was stopped is no cause.
      if (!Ending.comesAgain(e) && !context.isInterrupted()) {
        tell(context, RankMessage.Kind.FAILURE, String.valueOf(e.getMessage()));
      }
      return Ending.failed(e);
    }
  }

  private Map<String, Object> train(
      BarrierTaskContext context, RunConfig config, Collective collective) throws IOException {
    try (RankBackend own = open(context, config)) {
      requireOthersOpen(context);
      List<String> gpus = own.gpusOfAllRanks(context);
      Map<String, Object> summary = train(context, config, collective, own.backend()).fields();
      if (!gpus.isEmpty()) {
        summary.put("gpus", gpus);
      }
      return summary;
    }
  }

  /** The others wait to hear whether this rank has what it computes on. */
  private static RankBackend open(BarrierTaskContext context, RunConfig config) {
    try {
      return RankBackend.open(config, context);
    } catch (RuntimeException e) {
      if (Ending.comesAgain(e)) {
        Agreement.begun(context, Ending.line(e));
      }
      throw e;
    }
  }

  /** To those that went on, a rank that could not open would look like a lost peer. */
  private static void requireOthersOpen(BarrierTaskContext context) {
    String told = Agreement.begun(context, "");
    if (!told.isEmpty()) {
      throw new JobException(told);
    }
  }

  private TrainSummary train(
      BarrierTaskContext context, RunConfig config, Collective collective, Backend backend)
      throws IOException {
    int rank = collective.rank();
    return new RankTraining(
            hadoop.value(),
            config,
            shards,
            checkpoints(config, rank),
            from(config, rank),
            sink(context))
        .run(backend, collective, model -> {});
  }

  private ModelFile from(RunConfig config, int rank) {
    String from = config.train().from();
    return rank > 0 || from.isEmpty() ? null : SavedModel.at(hadoop.value(), from).file();
  }

  private CheckpointStore checkpoints(RunConfig config, int rank) throws IOException {
    if (rank != 0) {
      return null;
    }
    return new CheckpointStore(
        new HadoopFileStore(hadoop.value(), runPath),
        runPath + "/checkpoints",
        config.checkpoint().keep());
  }

  private MetricsSink sink(BarrierTaskContext context) {
    return new MetricsSink() {
      @Override
      public void start(long done, long steps) {
        tell(context, RankMessage.Kind.STARTED, Long.toString(done));
      }

      @Override
      public void row(MetricsRow row) {
        tell(context, RankMessage.Kind.METRICS, row.toJson());
      }
    };
  }

  private void tell(BarrierTaskContext context, RankMessage.Kind kind, String text) {
    RankMessages.send(
        new RankMessage(
            runId, context.partitionId(), context.stageAttemptNumber(), kind, firstLine(text)));
  }

  private static String firstLine(String text) {
    return text.lines().findFirst().orElse("");
  }
}
