package dev.sparrow.spark.cli;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.RunConfig;
import dev.sparrow.config.Train.BackendChoice;
import dev.sparrow.spark.cluster.AssignedGpus;
import dev.sparrow.spark.job.GenerateJob;
import dev.sparrow.spark.job.RankBackend;
import dev.sparrow.spark.job.RunDirectory;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code sparrow generate}. */
@Command(
    name = "generate",
    description = "Continues generate.prompt with a run's model.",
    mixinStandardHelpOptions = true)
public final class GenerateCommand implements Callable<Integer> {
  @Spec private CommandSpec command;
  @Mixin private RunArguments arguments;

  @Override
  public Integer call() throws Exception {
    Configuration hadoop = new Configuration();
    RunDirectory run = new RunDirectory(hadoop, arguments.run());
    RunConfig config = run.modelConfig(arguments.assignments());
    boolean onGpu = config.train().backend() == BackendChoice.CUDA;
    Optional<String> gpu = onGpu ? gpu(config) : Optional.empty();
    try (Backend backend = RankBackend.onDriver(config.train(), gpu)) {
      new Console(command).text(GenerateJob.run(hadoop, config, run.model(), backend));
    }
    return 0;
  }

  /** What Spark gave the driver, where it was asked to; only a Spark context knows. */
  private static Optional<String> gpu(RunConfig config) throws Exception {
    if (!new SparkConf().contains(AssignedGpus.DRIVER_AMOUNT)) {
      return Optional.empty();
    }
    try (SparkSession spark = Sessions.open("generate", config)) {
      return AssignedGpus.ofDriver(spark.sparkContext());
    }
  }
}
