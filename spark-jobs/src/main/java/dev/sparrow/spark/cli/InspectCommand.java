package dev.sparrow.spark.cli;

import dev.sparrow.spark.job.Inspection;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code sparrow inspect}. */
@Command(
    name = "inspect",
    description =
        "Prints a model's layers, parameters (total and active), FLOPs per token and memory; runs"
            + " nothing.",
    mixinStandardHelpOptions = true)
public final class InspectCommand implements Callable<Integer> {
  @Spec private CommandSpec command;
  @Mixin private SettingsArguments settings;

  @Override
  public Integer call() throws Exception {
    new Console(command).inspection(Inspection.of(settings.parse()));
    return 0;
  }
}
