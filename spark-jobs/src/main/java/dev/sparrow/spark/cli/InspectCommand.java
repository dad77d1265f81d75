package dev.sparrow.spark.cli;

import dev.sparrow.spark.job.Inspection;
import dev.sparrow.spark.job.SavedModel;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code sparrow inspect}. */
@Command(
    name = "inspect",
    description =
        "Prints the layers, parameters (total and active), FLOPs per token or image, and memory of a recipe's"
            + " model, or of a run directory's or an exported file's; runs nothing.",
    mixinStandardHelpOptions = true)
public final class InspectCommand implements Callable<Integer> {
  @Spec private CommandSpec command;
  @Mixin private SettingsArguments settings;

  @Override
  public Integer call() {
    Configuration hadoop = new Configuration();
    SparkConf conf = new SparkConf();
    Optional<String> saved = settings.recipe().filter(name -> SavedModel.isNamed(hadoop, name));
    Inspection inspection =
        saved.isPresent()
            ? Inspection.of(saved.get(), hadoop, settings.assignments(), conf)
            : Inspection.of(settings.parse(), hadoop, conf);
    new Console(command).inspection(inspection);
    return 0;
  }
}
