package dev.sparrow.spark;

import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.cli.Sessions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.sql.SparkSession;

/**
 * A standalone cluster in this JVM whose executors are JVMs of their own. They take their classes
 * from this JVM's class path, not from the jars of SPARK_HOME.
 */
public final class LocalCluster {
  private LocalCluster() {}

  /**
   * Stops the session that this JVM has, and opens one on a new cluster; the caller closes it.
   *
   * @param master {@code local-cluster[workers,cores of each,MiB of each]}
   */
  public static SparkSession open(String master, RunConfig config, Map<String, String> more)
      throws IOException {
    Files.createDirectories(Path.of(System.getenv("SPARK_HOME"), "jars"));
    LocalSpark.stop();
    Map<String, String> settings = new HashMap<>(more);
    settings.put("spark.master", master);
    settings.putIfAbsent("spark.executor.extraClassPath", System.getProperty("java.class.path"));
    settings.put("spark.driver.host", "localhost");
    // Executors of a busy machine may take longer than Spark's own 30 s to register.
    settings.putIfAbsent("spark.scheduler.maxRegisteredResourcesWaitingTime", "180s");
    settings.forEach(System::setProperty);
    try {
      return Sessions.open("local-cluster", config);
    } finally {
      settings.keySet().forEach(System::clearProperty);
    }
  }

  /** One GPU a task, of those at the addresses, which each worker offers. */
  public static Map<String, String> gpus(Path directory, int ofAnExecutor, String... addresses)
      throws IOException {
    Path script = directory.resolve("gpus.sh");
    String quoted = "\"" + String.join("\", \"", addresses) + "\"";
    Files.writeString(
        script, "#!/bin/sh\necho '{\"name\": \"gpu\", \"addresses\": [" + quoted + "]}'\n");
    if (!script.toFile().setExecutable(true)) {
      throw new IOException(script + ": cannot be made executable");
    }
    return Map.of(
        "spark.worker.resource.gpu.amount",
        Integer.toString(addresses.length),
        "spark.worker.resource.gpu.discoveryScript",
        script.toString(),
        "spark.executor.resource.gpu.amount",
        Integer.toString(ofAnExecutor),
        "spark.task.resource.gpu.amount",
        "1");
  }
}
