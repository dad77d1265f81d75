package dev.sparrow.kernels;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Runs programs in this module's folder and takes what they say, errors included. */
final class Command {
  record Outcome(int exitCode, String output) {}

  private Command() {}

  static Outcome run(String... command) throws IOException, InterruptedException {
    return run(Map.of(), command);
  }

  /**
   * @param environment added to this process' own
   */
  static Outcome run(Map<String, String> environment, String... command)
      throws IOException, InterruptedException {
    ProcessBuilder builder = new ProcessBuilder(List.of(command)).redirectErrorStream(true);
    builder.environment().putAll(environment);
    Process process = builder.start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Outcome(process.waitFor(), output);
  }

  /** Whether the host's compiler, which the emulation needs, is installed. */
  static boolean compilesForTheHost() throws InterruptedException {
    try {
      return run("g++", "--version").exitCode() == 0;
    } catch (IOException notFound) {
      return false;
    }
  }

  /** The absolute path of a file below {@code target}. */
  static Path target(String file) {
    return new File("target", file).toPath().toAbsolutePath();
  }
}
