package dev.sparrow.spark.job;

import dev.sparrow.config.Data;
import dev.sparrow.config.Image;
import dev.sparrow.config.RunConfig;
import dev.sparrow.config.Tokenizer;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.image.ImageSize;
import dev.sparrow.spark.shard.ContentSettings;
import dev.sparrow.spark.shard.ImageContent;
import dev.sparrow.spark.shard.ImageSettings;
import dev.sparrow.spark.shard.ManifestStore;
import dev.sparrow.spark.shard.ShardContent;
import dev.sparrow.spark.shard.ShardDataset;
import dev.sparrow.spark.shard.ShardManifest;
import dev.sparrow.spark.shard.ShardSettings;
import dev.sparrow.spark.shard.SplitRule;
import dev.sparrow.spark.shard.TokenContent;
import dev.sparrow.spark.shard.TokenSettings;
import dev.sparrow.spark.text.Digests;
import dev.sparrow.spark.text.TokenizerSpec;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.SparkSession;

/**
 * Text, ids or images of any Spark source to Arrow shards, as {@code data.*}, {@code tokenizer.*}
 * and {@code image.*} say.
 */
public final class ShardJob {
  /**
   * Shards to train on.
   *
   * @param path their directory
   */
  public record Shards(String path, ShardManifest manifest) {}

  /** Of a digest that tells apart what one model is evaluated on. */
  private static final int DIGITS = 12;

  private final SparkSession spark;
  private final RunConfig config;
  private final List<String> classes;
  private final String output;

  /** Shards to train on, or that a model was trained on. */
  public ShardJob(SparkSession spark, RunConfig config) {
    this(spark, config, List.of(), output(config));
  }

  private ShardJob(SparkSession spark, RunConfig config, List<String> classes, String output) {
    this.spark = spark;
    this.config = config;
    this.classes = classes;
    this.output = output;
  }

  /** Empty where nothing says where shards go. */
  private static String output(RunConfig config) {
    String set = config.data().shards();
    return !set.isEmpty() || config.output().isEmpty() ? set : config.output() + "/shards";
  }

  /**
   * Shards of other data than a model was trained on, whose labels it knows. They go where {@code
   * data.shards} says, else to a folder of their own beside the model.
   *
   * @param directory of the model
   * @param own the model's settings
   * @param learnt what it learnt from
   */
  static ShardJob ofOtherData(
      SparkSession spark, RunConfig config, String directory, RunConfig own, ShardContent learnt) {
    List<String> classes = learnt instanceof ImageContent images ? images.classes() : List.of();
    String set = config.data().shards();
    ShardJob job = new ShardJob(spark, config, classes, set);
    if (!set.isEmpty() && !set.equals(own.data().shards())) {
      return job;
    }
    String input = job.source() + "\n" + job.content() + "\n" + job.split();
    String digest = Digests.sha256(input).substring(0, DIGITS);
    return new ShardJob(spark, config, classes, directory + "/shards-" + digest);
  }

  /**
   * Shards {@code data.path}, reuses what the same input and settings made before, or takes {@code
   * data.path} as it is where that holds shards already.
   *
   * @param overwrite replace shards of other input or settings
   */
  public Shards run(boolean overwrite) {
    Data data = config.data();
    if (data.path().isEmpty()) {
      throw new JobException(
          "data.path: expected what to train on, got nothing; set data.path=... on the command line"
              + " or in the recipe");
    }
    return shardsAlready() ? existing() : write(overwrite);
  }

  private boolean shardsAlready() {
    return !config.data().format().equals("table")
        && store(config.data().path()).find().isPresent();
  }

  private Shards existing() {
    String path = config.data().path();
    ShardManifest manifest = store(path).read();
    if (!config.model().kind().classifiesImages()) {
      requireContext(path, manifest.tokens());
    }
    return new Shards(path, manifest);
  }

  private void requireContext(String path, TokenContent tokens) {
    if (tokens.context() != config.model().context()) {
      throw new JobException(
          "model.context: expected the "
              + tokens.context()
              + " of the shards in "
              + path
              + ", got "
              + config.model().context()
              + "; set model.context="
              + tokens.context()
              + " or shard again");
    }
  }

  private Shards write(boolean overwrite) {
    if (output.isEmpty()) {
      throw new JobException(
          "data.shards: expected where to write shards, got nothing; set data.shards=... or"
              + " output.path=...");
    }
    ShardSettings settings =
        new ShardSettings(output, content(), split(), config.data().rowsPerFile(), overwrite);
    return new Shards(output, new ShardDataset(spark, settings).run(source()));
  }

  private ContentSettings content() {
    Image image = config.image();
    return config.model().kind().classifiesImages()
        ? new ImageSettings(
            image.labelColumn(), new ImageSize(image.height(), image.width()), classes)
        : new TokenSettings(config.model().context(), tokenizer(config.tokenizer()));
  }

  private SplitRule split() {
    Data data = config.data();
    return data.splitColumn().isEmpty()
        ? SplitRule.byHash(data.validationFraction(), config.train().seed())
        : SplitRule.byColumn(data.splitColumn());
  }

  private SourceSpec source() {
    boolean images = config.model().kind().classifiesImages();
    String column = images ? config.image().column() : config.data().column();
    return source(config.data(), column, !images && config.tokenizer().kind().equals("ids"));
  }

  /**
   * What {@code data.*} names.
   *
   * @param column of the samples; empty: the usual one
   * @param ids whether it holds token ids
   */
  static SourceSpec source(Data data, String column, boolean ids) {
    SourceSpec.Format format = SourceSpec.Format.of(data.format());
    boolean table = format == SourceSpec.Format.TABLE;
    return new SourceSpec(
        format,
        table ? List.of() : List.of(data.path()),
        table ? data.path() : null,
        data.options(),
        column.isEmpty() ? null : column,
        ids);
  }

  /**
   * Shards that a train with these settings would use, where they are written already.
   *
   * @throws JobException where they are not
   */
  static ShardManifest written(Configuration hadoop, RunConfig config) {
    return Stream.of(config.data().path(), output(config))
        .filter(path -> !path.isEmpty())
        .flatMap(path -> new ManifestStore(hadoop, path).find().stream())
        .findFirst()
        .orElseThrow(
            () ->
                new JobException(
                    "model.kind: expected shards that tell the images' size and classes, found none"
                        + " in data.path, data.shards or output.path; run `shard` first, or name a"
                        + " run"));
  }

  static TokenizerSpec tokenizer(Tokenizer tokenizer) {
    return new TokenizerSpec(
        tokenizer.kind(),
        tokenizer.path().isEmpty() ? null : tokenizer.path(),
        tokenizer.endOfTextToken().isEmpty() ? null : tokenizer.endOfTextToken(),
        tokenizer.vocabulary(),
        tokenizer.endOfText());
  }

  private ManifestStore store(String path) {
    return new ManifestStore(spark.sparkContext().hadoopConfiguration(), path);
  }
}
