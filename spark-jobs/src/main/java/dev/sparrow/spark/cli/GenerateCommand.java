package dev.sparrow.spark.cli;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.RunConfig;
import dev.sparrow.config.Train.BackendChoice;
import dev.sparrow.spark.job.GenerateJob;
import dev.sparrow.spark.job.RankBackend;
import dev.sparrow.spark.job.SavedModel;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.apache.hadoop.conf.Configuration;
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
    SavedModel model = SavedModel.at(new Configuration(), arguments.run());
    RunConfig config = model.config(arguments.assignments());
    boolean onGpu = config.train().backend() == BackendChoice.CUDA;
    Optional<String> gpu = onGpu ? DriverGpu.address("generate", config) : Optional.empty();
    try (Backend backend = RankBackend.onDriver(config.train(), gpu)) {
      new Console(command).text(GenerateJob.run(config, model, backend));
    }
    return 0;
  }
}
