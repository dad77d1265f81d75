package dev.sparrow.spark.cli;

import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.files.HadoopFileStore;
import dev.sparrow.spark.job.JobException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/**
 * A recipe and {@code key=value} assignments: the arguments of every command that takes settings.
 */
public final class SettingsArguments {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  @Parameters(
      arity = "0..*",
      paramLabel = "RECIPE|key=value",
      description =
          "A recipe (a .conf file, local or on a Hadoop file system), then settings that override"
              + " it; conf/reference.conf lists them all.")
  private List<String> arguments = List.of();

  /** The settings; the recipe's problems and the assignments' are reported together. */
  RunConfig parse() {
    Optional<String> recipe = recipe();
    String text = recipe.map(SettingsArguments::read).orElse("");
    return ConfigParser.parse(text, recipe.orElse("defaults"), assignments());
  }

  /** The one argument that is no assignment. */
  Optional<String> recipe() {
    List<String> recipes = arguments.stream().filter(a -> !a.contains("=")).toList();
    if (recipes.size() > 1) {
      throw new ParameterException(
          command.commandLine(), "expected one recipe, got " + String.join(" and ", recipes));
    }
    return recipes.stream().findFirst();
  }

  List<String> assignments() {
    return arguments.stream().filter(a -> a.contains("=")).toList();
  }

  /** A local file, or a file on Hadoop's default or named file system. */
  private static String read(String name) {
    try {
      if (!name.contains("://") && Files.exists(Path.of(name))) {
        return Files.readString(Path.of(name));
      }
      return new HadoopFileStore(new Configuration(), name).readText(name);
    } catch (FileNotFoundException e) {
      throw new JobException(
          name + ": expected a recipe or key=value, found no such file; see conf/ for recipes", e);
    } catch (IOException e) {
      throw new JobException(name + ": cannot read the recipe: " + e.getMessage(), e);
    }
  }
}
