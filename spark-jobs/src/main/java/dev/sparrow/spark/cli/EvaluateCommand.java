package dev.sparrow.spark.cli;

import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.job.EvaluateJob;
import dev.sparrow.spark.job.SavedModel;
import java.util.concurrent.Callable;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code sparrow evaluate}. */
@Command(
    name = "evaluate",
    description = "Evaluates a run's model on the held-out part of its data, or of other data.",
    mixinStandardHelpOptions = true)
public final class EvaluateCommand implements Callable<Integer> {
  @Spec private CommandSpec command;
  @Mixin private RunArguments arguments;

  @Override
  public Integer call() throws Exception {
    SavedModel model = SavedModel.at(new Configuration(), arguments.run());
    RunConfig config = model.config(arguments.assignments());
    try (SparkSession spark = Sessions.open("evaluate", config)) {
      new Console(command).evaluated(new EvaluateJob(spark, config, arguments.run()).run());
    }
    return 0;
  }
}
