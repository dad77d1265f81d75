package dev.sparrow.spark.cli;

import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.job.Inspection;
import dev.sparrow.spark.job.TrainJob;
import java.util.concurrent.Callable;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code sparrow train}. */
@Command(
    name = "train",
    description = "Shards the data where needed, trains, evaluates and leaves a model.",
    mixinStandardHelpOptions = true)
public final class TrainCommand implements Callable<Integer> {
  @Spec private CommandSpec command;
  @Mixin private SettingsArguments settings;

  @ArgGroup private ExistingRun existing = new ExistingRun();

  /** What to do where output.path holds a run. */
  static final class ExistingRun {
    @Option(names = "--overwrite", description = "Replace the run in output.path.")
    private boolean overwrite;

    @Option(
        names = "--resume",
        description = "Go on from the newest checkpoint in output.path, under any number of ranks.")
    private boolean resume;
  }

  @Option(
      names = "--dry-run",
      description = "Print layers, parameters, FLOPs and memory; run nothing.")
  private boolean dryRun;

  @Override
  public Integer call() throws Exception {
    RunConfig config = settings.parse();
    Console console = new Console(command);
    if (dryRun) {
      console.inspection(Inspection.of(config, new Configuration(), new SparkConf()));
      return 0;
    }
    try (SparkSession spark = Sessions.open("train", config)) {
      TrainJob job = new TrainJob(spark, config, console);
      console.trained(job.run(new TrainJob.Mode(existing.overwrite, existing.resume)));
    }
    return 0;
  }
}
