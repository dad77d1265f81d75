package dev.sparrow.spark.job;

import dev.sparrow.collective.LocalCollective;
import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.BatchSource;
import dev.sparrow.spark.cluster.ClusterChecks;
import dev.sparrow.spark.shard.ManifestStore;
import dev.sparrow.spark.shard.ShardManifest;
import dev.sparrow.spark.shard.Split;
import dev.sparrow.train.Evaluation;
import dev.sparrow.train.Evaluator;
import java.io.Serializable;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.util.SerializableConfiguration;

/**
 * The mean loss of a run's model over the held-out split: every task takes a stripe of it with its
 * own copy of the model; no barrier, a lost task is simply run again.
 */
public final class EvaluateJob {
  private final SparkSession spark;
  private final RunConfig config;
  private final RunDirectory run;

  /**
   * @param loss mean nats per token
   * @param unigramLoss that of the unigram model of the training tokens; null where not known
   */
  public record Evaluated(double loss, long tokens, Double unigramLoss) {}

  /**
   * Loss and tokens of one stripe.
   *
   * @param failure one that another try would meet again; null where there was none
   */
  private record Stripe(double lossSum, long tokens, String failure) implements Serializable {}

  public EvaluateJob(SparkSession spark, RunConfig config, String run) {
    this.spark = spark;
    this.config = config;
    this.run = new RunDirectory(spark.sparkContext().hadoopConfiguration(), run);
  }

  /** Shards other data first where {@code data.path} names some that is not sharded yet. */
  public Evaluated run() {
    ClusterChecks.requireGpus(spark.sparkContext().conf(), config.train().backend());
    ShardJob.Shards shards = new ShardJob(spark, config).run(false);
    requireSameTokenizer(shards);
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
    long tokens = stripes.stream().mapToLong(Stripe::tokens).sum();
    double loss = stripes.stream().mapToDouble(Stripe::lossSum).sum() / tokens;
    return new Evaluated(loss, tokens, shards.manifest().tokens().unigramLoss());
  }

  /** Other ids would mean other texts to the model, or lie beyond its embedding. */
  private void requireSameTokenizer(ShardJob.Shards shards) {
    Configuration hadoop = spark.sparkContext().hadoopConfiguration();
    String expected = new ManifestStore(hadoop, run.model()).read().tokens().tokenizer().identity();
    String got = shards.manifest().tokens().tokenizer().identity();
    if (!got.equals(expected)) {
      throw new JobException(
          shards.path()
              + ": expected shards of the model's tokenizer "
              + expected
              + ", got "
              + got
              + "; shard the data with the run's own tokenizer settings");
    }
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
    String model = run.model();
    SerializableConfiguration hadoop =
        new SerializableConfiguration(spark.sparkContext().hadoopConfiguration());
    List<Integer> numbers = IntStream.range(0, ranks).boxed().toList();
    return JavaSparkContext.fromSparkContext(spark.sparkContext())
        .parallelize(numbers, ranks)
        .map(rank -> stripe(rank, ranks, text, model, shards, hadoop.value()))
        .collect();
  }

  private static Stripe stripe(
      int rank, int ranks, String text, String model, String shards, Configuration hadoop) {
    RunConfig config = ConfigParser.parse(text, "config.conf", List.of());
    BatchPlan plan = new BatchPlan(rank, ranks, microBatch(config, ranks), 1);
    try (RankBackend own = RankBackend.open(config, TaskContext.get());
        LoadedModel loaded =
            LoadedModel.open(hadoop, config, model, own.backend(), plan.microBatch());
        BatchSource source = new Readers(hadoop, shards, config).validation(plan)) {
      Evaluation evaluation = new Evaluator(loaded.model(), new LocalCollective()).evaluate(source);
      return new Stripe(evaluation.loss() * evaluation.targets(), evaluation.targets(), null);
    } catch (RuntimeException e) {
      if (!Ending.comesAgain(e)) {
        throw e;
      }
      return new Stripe(0, 0, Ending.line(e));
    }
  }

  /** As in training, where that many ranks would train. */
  private static int microBatch(RunConfig config, int ranks) {
    int own = config.train().microBatch();
    return own > 0 ? own : Math.max(1, config.train().batch() / ranks);
  }
}
