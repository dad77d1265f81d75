package dev.sparrow.spark.cli;

import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.job.ShardJob;
import java.util.concurrent.Callable;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code sparrow shard}. */
@Command(
    name = "shard",
    description = "Turns text or ids of any Spark source into Arrow shards to train on.",
    mixinStandardHelpOptions = true)
public final class ShardCommand implements Callable<Integer> {
  @Spec private CommandSpec command;
  @Mixin private SettingsArguments settings;

  @Option(names = "--overwrite", description = "Replace shards of other input or settings.")
  private boolean overwrite;

  @Override
  public Integer call() throws Exception {
    RunConfig config = settings.parse();
    try (SparkSession spark = Sessions.open("shard", config)) {
      ShardJob.Shards shards = new ShardJob(spark, config).run(overwrite);
      new Console(command).shards(shards.path(), shards.manifest());
    }
    return 0;
  }
}
