package dev.sparrow.spark.cli;

import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.job.PredictJob;
import dev.sparrow.spark.job.SavedModel;
import java.util.List;
import java.util.concurrent.Callable;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code sparrow predict}. */
@Command(
    name = "predict",
    description =
        "Writes what a run's classifier says of every image of data.path: class, probability, and"
            + " the probabilities of all classes, beside the columns that are kept.",
    mixinStandardHelpOptions = true)
public final class PredictCommand implements Callable<Integer> {
  /** What predictions are written as. */
  enum Format {
    PARQUET,
    JSON,
    ORC
  }

  @Spec private CommandSpec command;

  @Parameters(
      index = "0",
      paramLabel = "RUN",
      description = "A run directory (output.path of a train), or a file that export wrote.")
  private String run;

  @Parameters(
      index = "1",
      paramLabel = "OUT",
      description = "A directory for the predictions, on any Hadoop file system; not there yet.")
  private String out;

  @Parameters(
      index = "2..*",
      arity = "0..*",
      paramLabel = "key=value",
      description = "Settings that override the run's own, such as data.path.")
  private List<String> assignments = List.of();

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      defaultValue = "parquet",
      description = "${COMPLETION-CANDIDATES} (default ${DEFAULT-VALUE}).")
  private Format format;

  @Option(
      names = "--columns",
      paramLabel = "NAME",
      split = ",",
      description =
          "Columns of the data to write beside the predictions; by default all that hold single"
              + " values (of Arrow files, none).")
  private List<String> columns = List.of();

  @Override
  public Integer call() throws Exception {
    RunConfig config = SavedModel.at(new Configuration(), run).config(assignments);
    try (SparkSession spark = Sessions.open("predict", config)) {
      PredictJob job = new PredictJob(spark, config, run);
      new Console(command).predicted(job.run(out, format.name(), columns));
    }
    return 0;
  }
}
