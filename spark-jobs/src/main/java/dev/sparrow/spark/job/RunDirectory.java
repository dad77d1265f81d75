package dev.sparrow.spark.job;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.files.HadoopFileStore;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;

/**
 * What a run leaves, on any Hadoop file system:
 *
 * <pre>
 * config.conf      the resolved settings
 * checkpoints/     step-00001234/ ...
 * metrics.jsonl    a row per logged step
 * summary.json     what it came to
 * report.html      the same to look at
 * model/           model.safetensors, config.conf, manifest.json (tokenizer, classes): what others load
 * shards/          unless data.shards says otherwise
 * </pre>
 */
public final class RunDirectory {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
  private static final List<String> LEFT_BY_A_RUN =
      List.of(
          "config.conf", "checkpoints", "metrics.jsonl", "summary.json", "report.html", "model");

  private final HadoopFileStore files;
  private final String path;

  public RunDirectory(Configuration hadoop, String path) {
    if (path.isEmpty()) {
      throw new JobException(
          "output.path: expected a run directory, got nothing; set output.path=... on the command"
              + " line or in the recipe");
    }
    this.path = path;
    try {
      this.files = new HadoopFileStore(hadoop, path);
    } catch (IOException e) {
      throw new JobException("output.path " + path + ": " + e.getMessage(), e);
    }
  }

  /** Whether a run was started there. */
  public static boolean isOne(Configuration hadoop, String path) {
    return new RunDirectory(hadoop, path).exists("config.conf");
  }

  public String path() {
    return path;
  }

  public HadoopFileStore files() {
    return files;
  }

  public String checkpoints() {
    return path + "/checkpoints";
  }

  public String model() {
    return path + "/model";
  }

  boolean hasModel() {
    return exists("model/model.safetensors");
  }

  /** Throws where an earlier run left anything here. */
  public void requireNoRun() {
    if (exists("config.conf")) {
      throw new JobException(
          "output.path: expected a new directory, got "
              + path
              + ", which holds a run; pass --resume to go on with it, --overwrite to replace it, or"
              + " set another output.path");
    }
  }

  /** Deletes what an earlier run left; shards stay. */
  public void clear() {
    doing(
        () -> {
          for (String name : LEFT_BY_A_RUN) {
            files.delete(path + "/" + name);
          }
          return null;
        });
  }

  /** The settings that the model here was made with, overridden by assignments. */
  public RunConfig modelConfig(List<String> assignments) {
    if (!exists("model/config.conf")) {
      throw new JobException(
          path
              + ": expected the directory of a finished run, found no model/config.conf; name the"
              + " output.path of a train, or finish that with train --resume");
    }
    return config("model/config.conf", assignments);
  }

  /** The settings of the newest attempt, finished or not, overridden by assignments. */
  public RunConfig config(List<String> assignments) {
    if (!exists("config.conf")) {
      throw new JobException(path + ": expected a run directory with a config.conf, found none");
    }
    return config("config.conf", assignments);
  }

  private RunConfig config(String name, List<String> assignments) {
    String text = doing(() -> files.readText(path + "/" + name));
    return ConfigParser.parse(text, path + "/" + name, assignments);
  }

  private boolean exists(String name) {
    return doing(() -> files.exists(path + "/" + name));
  }

  public void writeText(String name, String text) {
    doing(
        () -> {
          files.writeText(path + "/" + name, text);
          return null;
        });
  }

  public void writeSummary(Map<String, Object> summary) {
    try {
      writeText("summary.json", JSON.writeValueAsString(summary) + "\n");
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Rows that an interrupted run left up to a step, for a run that goes on from there. */
  public List<String> metricsUpTo(long step) {
    return doing(
        () -> {
          List<String> rows = new ArrayList<>();
          if (files.exists(path + "/metrics.jsonl")) {
            for (String line : files.readText(path + "/metrics.jsonl").split("\n")) {
              if (stepOf(line) <= step) {
                rows.add(line);
              }
            }
          }
          return rows;
        });
  }

  /** A torn last line counts as past every step. */
  private static long stepOf(String line) {
    try {
      JsonNode row = JSON.readTree(line);
      return row.has("step") ? row.get("step").asLong() : Long.MAX_VALUE;
    } catch (JsonProcessingException e) {
      return Long.MAX_VALUE;
    }
  }

  /**
   * Lays out what others load: the weights of a checkpoint, the tokenizer, and the settings, which
   * come last: without them the directory holds no whole model.
   *
   * @param checkpoint directory that holds model.safetensors
   * @param shards directory that holds manifest.json and maybe tokenizer.json
   */
  public void publishModel(String checkpoint, String shards, String config) {
    doing(
        () -> {
          files.delete(model());
          files.copy(checkpoint + "/model.safetensors", model() + "/model.safetensors");
          files.copy(shards + "/manifest.json", model() + "/manifest.json");
          if (files.exists(shards + "/tokenizer.json")) {
            files.copy(shards + "/tokenizer.json", model() + "/tokenizer.json");
          }
          files.writeText(model() + "/config.conf", config);
          return null;
        });
  }

  private interface Action<T> {
    T run() throws IOException;
  }

  private <T> T doing(Action<T> action) {
    try {
      return action.run();
    } catch (IOException e) {
      throw new JobException(path + ": " + e.getMessage(), e);
    }
  }
}
