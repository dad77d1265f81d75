package dev.sparrow.spark.cli;

import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.RunConfig;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
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
  RunConfig parse() throws IOException {
    List<String> recipes = arguments.stream().filter(a -> !a.contains("=")).toList();
    if (recipes.size() > 1) {
      throw new ParameterException(
          command.commandLine(), "expected one recipe, got " + String.join(" and ", recipes));
    }
    List<String> assignments = arguments.stream().filter(a -> a.contains("=")).toList();
    if (recipes.isEmpty()) {
      return ConfigParser.parse("", "defaults", assignments);
    }
    return ConfigParser.parse(read(recipes.get(0)), recipes.get(0), assignments);
  }

  /** A local file, or a file on Hadoop's default or named file system. */
  static String read(String name) throws IOException {
    if (!name.contains("://") && Files.exists(Path.of(name))) {
      return Files.readString(Path.of(name));
    }
    org.apache.hadoop.fs.Path path = new org.apache.hadoop.fs.Path(name);
    Configuration hadoop = new Configuration();
    try (InputStream in = path.getFileSystem(hadoop).open(path)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (java.io.FileNotFoundException e) {
      throw new NoSuchFileException(name, null, "expected a recipe, found no such file");
    }
  }
}
