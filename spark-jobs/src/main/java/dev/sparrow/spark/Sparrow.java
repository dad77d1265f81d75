package dev.sparrow.spark;

import dev.sparrow.spark.cli.BenchCommand;
import dev.sparrow.spark.cli.EvaluateCommand;
import dev.sparrow.spark.cli.ExportCommand;
import dev.sparrow.spark.cli.Failures;
import dev.sparrow.spark.cli.GenerateCommand;
import dev.sparrow.spark.cli.InspectCommand;
import dev.sparrow.spark.cli.PredictCommand;
import dev.sparrow.spark.cli.ShardCommand;
import dev.sparrow.spark.cli.TrainCommand;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The main class for spark-submit and bin/sparrow. */
@Command(
    name = "sparrow",
    description = "Trains sparse neural networks on data that Spark can read.",
    mixinStandardHelpOptions = true,
    versionProvider = Version.class,
    subcommands = {
      ShardCommand.class,
      TrainCommand.class,
      EvaluateCommand.class,
      PredictCommand.class,
      GenerateCommand.class,
      ExportCommand.class,
      InspectCommand.class,
      BenchCommand.class
    })
public final class Sparrow {
  private Sparrow() {}

  public static void main(String[] args) {
    int code = run(args);
    // spark-submit in cluster mode takes a returned main for success: a failure must be an exit.
    if (code != 0) {
      System.exit(code);
    }
  }

  /** Runs a command and gives its exit code: 0 done, 1 failed, 2 wrong arguments or settings. */
  public static int run(String... args) {
    return commandLine().execute(args);
  }

  /** The commands; results go to its out, causes of failure to its err. */
  static CommandLine commandLine() {
    return new CommandLine(new Sparrow())
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setParameterExceptionHandler(Failures::handle)
        .setExecutionExceptionHandler(Failures::handle);
  }
}
