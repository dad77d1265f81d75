package dev.sparrow.spark.job;

import dev.sparrow.collective.LocalCollective;
import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.BatchSource;
import dev.sparrow.model.Confusion;
import dev.sparrow.spark.cluster.ClusterChecks;
import dev.sparrow.spark.report.ConfusionMatrix;
import dev.sparrow.spark.shard.ImageContent;
import dev.sparrow.spark.shard.ShardContent;
import dev.sparrow.spark.shard.ShardManifest;
import dev.sparrow.spark.shard.Split;
import dev.sparrow.train.Evaluation;
import dev.sparrow.train.Evaluator;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.util.SerializableConfiguration;

/**
 * The mean loss of a run's model over the held-out split, and of a classifier what it took for
 * what: every task takes a stripe of it with its own copy of the model; no barrier, a lost task is
 * simply run again.
 */
public final class EvaluateJob {
  private final SparkSession spark;
  private final RunConfig config;
  private final String model;

  /**
   * @param loss mean nats per target
   * @param targets tokens of a language model, images of a classifier
   * @param unigramLoss that of the unigram model of the training tokens; null where not known
   * @param confusion of a classifier; else null
   */
  public record Evaluated(
      double loss, long targets, Double unigramLoss, ConfusionMatrix confusion) {}

  /**
   * What came of one stripe.
   *
   * @param confusion of a classifier (classes, classes); else null
   * @param failure one that another try would meet again; null where there was none
   */
  private record Stripe(
      double lossSum, long targets, ArrayList<List<Long>> confusion, String failure)
      implements Serializable {
    static Stripe of(Evaluation evaluation) {
      Confusion confusion = evaluation.confusion();
      return new Stripe(
          evaluation.loss() * evaluation.targets(),
          evaluation.targets(),
          confusion == null ? null : new ArrayList<>(confusion.rows()),
          null);
    }
  }

  /**
   * @param model path of a {@link SavedModel}
   */
  public EvaluateJob(SparkSession spark, RunConfig config, String model) {
    this.spark = spark;
    this.config = config;
    this.model = model;
  }

  /** Shards other data first where {@code data.path} names some that is not sharded yet. */
  public Evaluated run() {
    ClusterChecks.requireGpus(spark.sparkContext().conf(), config.train().backend());
    SavedModel saved = SavedModel.at(hadoop(), model);
    ShardContent learnt = saved.manifest().content();
    ShardJob.Shards shards = shards(saved, learnt);
    requireSameContent(learnt, shards);
    ShardManifest.Part part = shards.manifest().part(Split.VALIDATION);
    if (part.rows() == 0) {
      throw new JobException(
          shards.path()
              + ": expected a validation split, found no rows; shard with data.validation-fraction >"
              + " 0 or data.split-column");
    }
    int ranks = ClusterChecks.ranks(spark.sparkContext(), config.cluster().ranks());
    List<Stripe> stripes = stripes((int) Math.min(ranks, part.rows()), shards.path());
    requireNoFailure(stripes);
    return evaluated(learnt, shards.manifest(), stripes);
  }

  private Configuration hadoop() {
    return spark.sparkContext().hadoopConfiguration();
  }

  /** Those of its training where the settings say where that data is and what is held out. */
  private ShardJob.Shards shards(SavedModel saved, ShardContent learnt) {
    RunConfig own = saved.config(List.of());
    boolean sameData =
        own.data().path().equals(config.data().path())
            && own.data().format().equals(config.data().format())
            && own.data().options().equals(config.data().options())
            && own.data().splitColumn().equals(config.data().splitColumn())
            && own.data().validationFraction() == config.data().validationFraction();
    ShardJob job =
        sameData
            ? new ShardJob(spark, config)
            : ShardJob.ofOtherData(spark, config, saved.directory(), own, learnt);
    return job.run(false);
  }

  private static Evaluated evaluated(
      ShardContent learnt, ShardManifest manifest, List<Stripe> stripes) {
    long targets = stripes.stream().mapToLong(Stripe::targets).sum();
    double loss = stripes.stream().mapToDouble(Stripe::lossSum).sum() / targets;
    if (learnt instanceof ImageContent images) {
      ConfusionMatrix confusion =
          stripes.stream()
              .map(stripe -> new ConfusionMatrix(images.classes(), stripe.confusion()))
              .reduce(ConfusionMatrix::plus)
              .orElseThrow();
      return new Evaluated(loss, targets, null, confusion);
    }
    return new Evaluated(loss, targets, manifest.tokens().unigramLoss(), null);
  }

  private static void requireSameContent(ShardContent learnt, ShardJob.Shards shards) {
    learnt
        .mismatch(shards.manifest().content())
        .ifPresent(
            mismatch -> {
              throw new JobException(
                  shards.path() + ": expected shards of the model's " + mismatch);
            });
  }

  private static void requireNoFailure(List<Stripe> stripes) {
    for (Stripe stripe : stripes) {
      if (stripe.failure() != null) {
        throw new JobException(stripe.failure());
      }
    }
  }

  private List<Stripe> stripes(int ranks, String shards) {
    String text = config.text();
    String path = model;
    SerializableConfiguration hadoop = new SerializableConfiguration(hadoop());
    List<Integer> numbers = IntStream.range(0, ranks).boxed().toList();
    return JavaSparkContext.fromSparkContext(spark.sparkContext())
        .parallelize(numbers, ranks)
        .map(rank -> stripe(rank, ranks, text, path, shards, hadoop.value()))
        .collect();
  }

  private static Stripe stripe(
      int rank, int ranks, String text, String model, String shards, Configuration hadoop) {
    RunConfig config = ConfigParser.parse(text, "config.conf", List.of());
    BatchPlan plan = new BatchPlan(rank, ranks, microBatch(config, ranks), 1);
    try (RankBackend own = RankBackend.open(config, TaskContext.get());
        LoadedModel loaded =
            LoadedModel.open(
                config, SavedModel.at(hadoop, model), own.backend(), plan.microBatch());
        BatchSource source =
            new Readers(hadoop, shards, loaded.learnt(), config, own.backend()::hostInts)
                .validation(plan)) {
      return Stripe.of(new Evaluator(loaded.model(), new LocalCollective()).evaluate(source));
    } catch (RuntimeException e) {
      if (!Ending.comesAgain(e)) {
        throw e;
      }
      return new Stripe(0, 0, null, Ending.line(e));
    }
  }

  /** As in training, where that many ranks would train. */
  private static int microBatch(RunConfig config, int ranks) {
    int own = config.train().microBatch();
    return own > 0 ? own : Math.max(1, config.train().batch() / ranks);
  }
}
