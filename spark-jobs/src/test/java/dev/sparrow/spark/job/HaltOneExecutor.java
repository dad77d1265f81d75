package dev.sparrow.spark.job;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;

/**
 * Halts the JVM of executor 0, as a lost machine would, once the file named by {@code
 * spark.test.halt-file} appears.
 */
public final class HaltOneExecutor implements SparkPlugin {
  static final String FILE_KEY = "spark.test.halt-file";
  private static final long POLL_MILLIS = 20;

  @Override
  public DriverPlugin driverPlugin() {
    return null;
  }

  @Override
  public ExecutorPlugin executorPlugin() {
    return new ExecutorPlugin() {
      @Override
      public void init(PluginContext context, Map<String, String> extra) {
        if (context.executorID().equals("0")) {
          Path file = Path.of(context.conf().get(FILE_KEY));
          Thread watcher = new Thread(() -> haltWhenThere(file), "halt-one-executor");
          watcher.setDaemon(true);
          watcher.start();
        }
      }
    };
  }

  private static void haltWhenThere(Path file) {
    while (!Files.exists(file)) {
      try {
        Thread.sleep(POLL_MILLIS);
      } catch (InterruptedException e) {
        return;
      }
    }
    Runtime.getRuntime().halt(137);
  }
}
