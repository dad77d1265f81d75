package dev.sparrow.spark;

import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** JVMs like this one that find an emulated CUDA driver of two GPUs. */
final class GpuJvm {
  private GpuJvm() {}

  /**
   * Runs a class to its end.
   *
   * @param directory for its output
   * @param flags besides this JVM's own
   */
  static CommandRun run(Path directory, Class<?> main, List<String> flags, List<String> arguments)
      throws Exception {
    List<String> line = new ArrayList<>();
    line.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    line.addAll(
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
            .filter(flag -> !flag.startsWith("-javaagent") && !flag.startsWith("-Xmx"))
            .toList());
    line.addAll(flags);
    line.addAll(List.of("-Xmx1g", "-Dspark.driver.host=localhost"));
    line.addAll(List.of("-cp", EmulatedDriver.classPath(), main.getName()));
    line.addAll(arguments);
    Path out = directory.resolve("out");
    Path err = directory.resolve("err");
    ProcessBuilder process =
        new ProcessBuilder(line).redirectOutput(out.toFile()).redirectError(err.toFile());
    process.environment().put("LD_LIBRARY_PATH", EmulatedDriver.libraryPath());
    int code = process.start().waitFor();
    List<String> causes =
        Files.readAllLines(err).stream()
            .filter(text -> text.startsWith("sparrow ") || text.startsWith("Exception in thread"))
            .toList();
    return new CommandRun(code, Files.readString(out), causes);
  }
}
