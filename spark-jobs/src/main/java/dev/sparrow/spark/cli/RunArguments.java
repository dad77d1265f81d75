package dev.sparrow.spark.cli;

import java.util.List;
import picocli.CommandLine.Parameters;

/**
 * A run directory or exported file, and {@code key=value} assignments that override its settings.
 */
public final class RunArguments {
  @Parameters(
      index = "0",
      paramLabel = "RUN",
      description = "A run directory (output.path of a train), or a file that export wrote.")
  private String run;

  @Parameters(
      index = "1..*",
      arity = "0..*",
      paramLabel = "key=value",
      description = "Settings that override the run's own.")
  private List<String> assignments = List.of();

  String run() {
    return run;
  }

  List<String> assignments() {
    return assignments;
  }
}
