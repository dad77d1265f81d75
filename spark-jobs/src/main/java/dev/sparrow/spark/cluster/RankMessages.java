package dev.sparrow.spark.cluster;

import java.io.IOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.apache.spark.SparkContext;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Carries {@link RankMessage}s from tasks to the driver over Spark's own RPC, with its
 * authentication and encryption, while the tasks run. Named in {@code spark.plugins} before the
 * Spark context starts; accumulators would arrive with heartbeats, ten seconds late.
 */
public final class RankMessages implements SparkPlugin {
  private static final Logger LOG = LoggerFactory.getLogger(RankMessages.class);
  private static final Map<String, Consumer<RankMessage>> LISTENERS = new ConcurrentHashMap<>();
  private static volatile PluginContext executor;

  /**
   * Registers the driver's listener of one run; close ends it. The listener runs on RPC threads.
   */
  public static AutoCloseable listen(String runId, Consumer<RankMessage> listener) {
    LISTENERS.put(runId, listener);
    return () -> LISTENERS.remove(runId);
  }

  /** Sends from a task; a message that cannot be sent is logged and lost, training goes on. */
  public static void send(RankMessage message) {
    PluginContext context = executor;
    if (context == null) {
      LOG.warn(
          "Rank {} cannot reach the driver: set spark.plugins={} before the Spark context starts. {}",
          message.rank(),
          RankMessages.class.getName(),
          message.text());
      return;
    }
    try {
      context.send(message);
    } catch (IOException | RuntimeException e) {
      LOG.warn("Rank {} cannot reach the driver: {}", message.rank(), message.text(), e);
    }
  }

  @Override
  public DriverPlugin driverPlugin() {
    return new DriverPlugin() {
      @Override
      public Map<String, String> init(SparkContext context, PluginContext plugin) {
        return Map.of();
      }

      @Override
      public Object receive(Object message) {
        RankMessage received = (RankMessage) message;
        Consumer<RankMessage> listener = LISTENERS.get(received.runId());
        if (listener != null) {
          listener.accept(received);
        }
        return null;
      }
    };
  }

  @Override
  public ExecutorPlugin executorPlugin() {
    return new ExecutorPlugin() {
      @Override
      public void init(PluginContext plugin, Map<String, String> extra) {
        executor = plugin;
      }
    };
  }
}
