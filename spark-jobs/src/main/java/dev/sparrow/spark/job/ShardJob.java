package dev.sparrow.spark.job;

import dev.sparrow.config.Data;
import dev.sparrow.config.RunConfig;
import dev.sparrow.config.Tokenizer;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.shard.ManifestStore;
import dev.sparrow.spark.shard.ShardDataset;
import dev.sparrow.spark.shard.ShardManifest;
import dev.sparrow.spark.shard.ShardSettings;
import dev.sparrow.spark.shard.SplitRule;
import dev.sparrow.spark.shard.TokenSettings;
import dev.sparrow.spark.text.TokenizerSpec;
import java.util.List;
import org.apache.spark.sql.SparkSession;

/**
 * Text or ids of any Spark source to Arrow shards, as {@code data.*} and {@code tokenizer.*} say.
 */
public final class ShardJob {
  /**
   * Shards to train on.
   *
   * @param path their directory
   */
  public record Shards(String path, ShardManifest manifest) {}

  private final SparkSession spark;
  private final RunConfig config;

  public ShardJob(SparkSession spark, RunConfig config) {
    this.spark = spark;
    this.config = config;
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
    if (manifest.tokens().context() != config.model().context()) {
      throw new JobException(
          "model.context: expected the "
              + manifest.tokens().context()
              + " of the shards in "
              + path
              + ", got "
              + config.model().context()
              + "; set model.context="
              + manifest.tokens().context()
              + " or shard again");
    }
    return new Shards(path, manifest);
  }

  private Shards write(boolean overwrite) {
    String output = output();
    Data data = config.data();
    ShardSettings settings =
        new ShardSettings(
            output,
            new TokenSettings(config.model().context(), tokenizer(config.tokenizer())),
            data.splitColumn().isEmpty()
                ? SplitRule.byHash(data.validationFraction(), config.train().seed())
                : SplitRule.byColumn(data.splitColumn()),
            data.rowsPerFile(),
            overwrite);
    return new Shards(output, new ShardDataset(spark, settings).run(source(data)));
  }

  private String output() {
    if (!config.data().shards().isEmpty()) {
      return config.data().shards();
    }
    if (config.output().isEmpty()) {
      throw new JobException(
          "data.shards: expected where to write shards, got nothing; set data.shards=... or"
              + " output.path=...");
    }
    return config.output() + "/shards";
  }

  private SourceSpec source(Data data) {
    SourceSpec.Format format = SourceSpec.Format.of(data.format());
    boolean table = format == SourceSpec.Format.TABLE;
    return new SourceSpec(
        format,
        table ? List.of() : List.of(data.path()),
        table ? data.path() : null,
        data.options(),
        data.column().isEmpty() ? null : data.column(),
        config.tokenizer().kind().equals("ids"));
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
