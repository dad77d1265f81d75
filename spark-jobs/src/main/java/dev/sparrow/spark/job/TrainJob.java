package dev.sparrow.spark.job;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.checkpoint.CheckpointStore;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.spark.cluster.BarrierStage;
import dev.sparrow.spark.cluster.ClusterChecks;
import dev.sparrow.spark.cluster.RankMessages;
import dev.sparrow.spark.report.LayerOrder;
import dev.sparrow.spark.report.LowRankLayer;
import dev.sparrow.spark.report.Report;
import dev.sparrow.spark.report.SparseLayer;
import dev.sparrow.spark.shard.ImageContent;
import dev.sparrow.spark.shard.ShardContent;
import dev.sparrow.spark.shard.TokenContent;
import dev.sparrow.tensor.Shape;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkException;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.util.SerializableConfiguration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The main job: shards where needed, trains all ranks in one barrier stage, and leaves a run
 * directory with model, metrics, summary and report.
 */
public final class TrainJob {
  private static final Logger LOG = LoggerFactory.getLogger(TrainJob.class);

  /** What to do where the run directory holds a run. */
  public record Mode(boolean overwrite, boolean resume) {
    public static final Mode NEW = new Mode(false, false);
  }

  /**
   * A finished job.
   *
   * @param path the run directory
   * @param summary fields of summary.json
   * @param sample generated text; empty where no prompt can be made
   */
  public record Trained(String path, Map<String, Object> summary, String sample) {}

  private final SparkSession spark;
  private final SparkContext context;
  private final Configuration hadoop;
  private final RunConfig config;
  private final TrainListener listener;

  public TrainJob(SparkSession spark, RunConfig config, TrainListener listener) {
    this.spark = spark;
    this.context = spark.sparkContext();
    this.hadoop = context.hadoopConfiguration();
    this.config = config;
    this.listener = listener;
  }

  /**
   * @throws JobException with the cause in one line
   */
  public Trained run(Mode mode) {
    ClusterChecks.requireStaticAllocation(context);
    ClusterChecks.requireGpus(context.conf(), config.train().backend());
    RunDirectory run = new RunDirectory(hadoop, config.output());
    if (!mode.overwrite() && !mode.resume()) {
      run.requireNoRun();
    }
    requireFrom();
    requireTrainingSplit();
    int ranks = ClusterChecks.ranks(context, config.cluster().ranks());
    requireEvenShares(ranks);
    ShardJob.Shards shards = new ShardJob(spark, config).run(mode.overwrite());
    requireEnoughRows(shards);
    // Not before all that can be refused was looked at.
    if (mode.overwrite()) {
      run.clear();
    }
    run.writeText("config.conf", config.text());
    listener.started(config.train().steps(), ranks, describe(shards));
    try (TrainFollower follower = new TrainFollower(run, listener)) {
      Map<String, Object> summary = train(run, shards, ranks, follower);
      return publish(run, shards, summary, follower.rows());
    }
  }

  private void requireFrom() {
    String from = config.train().from();
    if (!from.isEmpty() && !SavedModel.at(hadoop, from).exists()) {
      throw new JobException(
          "train.from: expected the directory of a finished run or an exported file, got "
              + from
              + ", which holds no model; name the output.path of a train, or the *.safetensors of an"
              + " export");
    }
  }

  private void requireTrainingSplit() {
    if (config.data().splitColumn().isEmpty() && config.data().validationFraction() == 1) {
      throw new JobException(
          "data.validation-fraction: expected less than 1 to train, got 1, which holds out all rows;"
              + " it is for `evaluate`");
    }
  }

  /** Of the global batch, over ranks that were not known when the settings were parsed. */
  private void requireEvenShares(int ranks) {
    BatchPlan.of(config.train().batch(), config.train().microBatch(), 0, ranks);
  }

  private void requireEnoughRows(ShardJob.Shards shards) {
    long rows = shards.manifest().train().rows();
    boolean images = config.model().kind().classifiesImages();
    if (rows < config.train().batch()) {
      throw new JobException(
          "train.batch: expected at most the "
              + rows
              + (images
                  ? " images to train on"
                  : " rows of model.context = " + config.model().context() + " tokens")
              + " that the data holds, got "
              + config.train().batch()
              + "; lower train.batch"
              + (images ? "" : " or model.context")
              + ", or bring more data");
    }
  }

  private String describe(ShardJob.Shards shards) {
    return Inspection.of(config, shards.manifest().content(), context.conf()).headline();
  }

  private Map<String, Object> train(
      RunDirectory run, ShardJob.Shards shards, int ranks, TrainFollower follower) {
    String runId = UUID.randomUUID().toString();
    TrainTask task =
        new TrainTask(
            runId, config.text(), run.path(), shards.path(), new SerializableConfiguration(hadoop));
    try (AutoCloseable registration = RankMessages.listen(runId, follower)) {
      List<String> results = BarrierStage.run(context, ranks, task);
      return summaryOf(results);
    } catch (SparkException e) {
      throw new JobException(follower.failure().orElseGet(() -> firstLine(e)), e);
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new JobException(follower.failure().orElseGet(() -> firstLine(e)), e);
    }
  }

  private static Map<String, Object> summaryOf(List<String> results) {
    List<Outcome> outcomes = results.stream().map(Outcome::parse).toList();
    for (Outcome outcome : outcomes) {
      if (outcome.failure() != null) {
        throw new JobException(outcome.failure());
      }
    }
    return outcomes.stream()
        .map(Outcome::summary)
        .filter(Objects::nonNull)
        .findFirst()
        .orElseThrow(() -> new JobException("training: expected rank 0's summary, got none"));
  }

  private static String firstLine(Exception e) {
    return String.valueOf(e.getMessage()).lines().findFirst().orElse(e.toString());
  }

  private Trained publish(
      RunDirectory run, ShardJob.Shards shards, Map<String, Object> trained, List<String> rows) {
    Map<String, Object> summary = new LinkedHashMap<>(trained);
    ShardContent content = shards.manifest().content();
    if (content instanceof TokenContent tokens && tokens.unigramLoss() != null) {
      summary.put("unigram_loss", tokens.unigramLoss());
    }
    if (content instanceof ImageContent images) {
      summary.put("classes", images.classes());
    }
    String checkpoint =
        new CheckpointStore(run.files(), run.checkpoints(), config.checkpoint().keep())
            .latest()
            .orElseThrow(() -> new JobException(run.path() + ": expected a checkpoint, found none"))
            .path();
    run.publishModel(checkpoint, shards.path(), config.text());
    String sample = sample(run);
    run.writeSummary(summary);
    run.writeText(
        "report.html",
        new Report(
                run.path(),
                summary,
                rows,
                sample,
                config.text(),
                sparseLayers(run),
                lowRankLayers(run))
            .html());
    LOG.info("{}: model, metrics, summary and report written", run.path());
    return new Trained(run.path(), summary, sample);
  }

  private List<SparseLayer> sparseLayers(RunDirectory run) {
    Map<String, UniformPattern> patterns =
        LayerOrder.sorted(SavedModel.at(hadoop, run.path()).patterns());
    List<SparseLayer> layers = new ArrayList<>();
    patterns.forEach(
        (name, p) ->
            layers.add(
                SparseLayer.of(
                    name, p.rows(), p.columns(), p.places(), layers.size(), patterns.size())));
    return layers;
  }

  private List<LowRankLayer> lowRankLayers(RunDirectory run) {
    Map<String, Shape> shapes =
        LayerOrder.sorted(SavedModel.at(hadoop, run.path()).file().shapes().byName());
    List<LowRankLayer> layers = new ArrayList<>();
    shapes.forEach(
        (name, u) -> {
          String weight = name.endsWith(".weight.u") ? name.substring(0, name.length() - 2) : "";
          Shape v = shapes.get(weight + ".v");
          if (v != null) {
            int matrices = u.rank() == 2 ? 1 : u.dim(0);
            layers.add(new LowRankLayer(weight, matrices, u.dim(-2), v.dim(-1), u.dim(-1)));
          }
        });
    return layers;
  }

  /** Of a language model. On the CPU whatever the ranks used: a driver seldom has a GPU. */
  private String sample(RunDirectory run) {
    if (config.model().kind().classifiesImages()) {
      return "";
    }
    try (Backend backend = RankBackend.driversCpu()) {
      return GenerateJob.run(config, SavedModel.at(hadoop, run.path()), backend);
    }
  }
}
