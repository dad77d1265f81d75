package dev.sparrow.spark.job;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.EmulatedDriver;
import dev.sparrow.spark.LocalCluster;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Executors that find an emulated CUDA driver, on a standalone cluster whose worker offers its
 * GPUs.
 */
class GpuTrainTest {
  /**
   * The emulation runs a kernel's threads one after the other, so these are few steps of little.
   */
  private static final String[] SMALL = {
    "model.layers=1",
    "model.context=16",
    "train.steps=12",
    "train.batch=4",
    "train.log-every=1",
    "train.validation-sequences=8",
    "schedule.name=constant",
    "train.cuda.cublas=off", // what this machine has installed is not for an emulated driver
    "train.cuda.nccl=off"
  };

  @TempDir Path directory;
  private Path corpus;

  @BeforeEach
  void write() throws IOException {
    corpus = TinyRun.corpus(directory);
  }

  @Test
  void aRankTrainsOnTheGpuThatSparkGaveIt() throws IOException {
    try (SparkSession spark = cluster("local-cluster[1,1,1024]", "1")) {
      trainsAndEvaluates(spark, "dense", 1);
      trainsAndEvaluates(spark, "moe", 1);
    }
  }

  @Test
  void twoRanksTrainOnDifferentGpus() throws IOException {
    try (SparkSession spark = cluster("local-cluster[1,2,2048]", "0", "1")) {
      trainsAndEvaluates(spark, "dense", 2);
      trainsAndEvaluates(spark, "moe", 2);
    }
  }

  @Test
  void aGpuThatCannotBeHadIsNoReasonToTakeTheCpu() throws IOException {
    Path run = directory.resolve("run");
    Followed followed = new Followed();
    try (SparkSession spark = cluster("local-cluster[1,1,1024]", "7")) {
      RunConfig config = TinyRun.config(corpus, run, "cluster.ranks=1");
      JobException e =
          assertThrows(
              JobException.class,
              () -> new TrainJob(spark, config, followed).run(TrainJob.Mode.NEW));
      assertTrue(
          e.getMessage().matches("rank 0 on \\S+: GPU address 7: not among the 2 GPUs .*"),
          e::getMessage);
    }
    assertEquals(1, followed.notes.size(), followed.notes::toString);
    assertFalse(Files.exists(run.resolve("model")));
  }

  /** Executors of one core and one GPU each; train.backend stays at auto. */
  private SparkSession cluster(String master, String... addresses) throws IOException {
    Map<String, String> settings = new HashMap<>(LocalCluster.gpus(directory, 1, addresses));
    settings.put("spark.executor.cores", "1");
    settings.put("spark.executor.extraLibraryPath", EmulatedDriver.folder().toString());
    settings.put("spark.executor.extraClassPath", EmulatedDriver.classPath());
    return LocalCluster.open(master, ConfigParser.defaults(), settings);
  }

  private void trainsAndEvaluates(SparkSession spark, String method, int ranks) throws IOException {
    Path run = directory.resolve(method);
    List<String> more = new ArrayList<>(List.of(SMALL));
    more.add("method.name=" + method);
    more.add("cluster.ranks=" + ranks);
    more.add("data.shards=" + directory.resolve("shards"));
    RunConfig config = TinyRun.config(corpus, run, more.toArray(String[]::new));
    Followed followed = new Followed();
    new TrainJob(spark, config, followed).run(TrainJob.Mode.NEW);

    JsonNode summary = new ObjectMapper().readTree(run.resolve("summary.json").toFile());
    assertTrue(summary.get("device").asText().contains("Emulated GPU"), summary::toString);
    assertEquals(ranks, gpus(summary).stream().distinct().count(), summary::toString);
    assertTrue(followed.notes.get(0).contains("of GPU memory a rank"), followed.notes::toString);
    double first = loss(followed, 0);
    double last = loss(followed, followed.rows.size() - 1);
    assertTrue(last < 0.9 * first, () -> "loss went from " + first + " to " + last);
    assertTrue(Files.exists(run.resolve("model/model.safetensors")));

    double validation = summary.get("validation_loss").asDouble();
    EvaluateJob.Evaluated evaluated = new EvaluateJob(spark, config, run.toString()).run();
    assertEquals(validation, evaluated.loss(), 1e-5 * validation);
  }

  private static List<String> gpus(JsonNode summary) {
    List<String> gpus = new ArrayList<>();
    summary.get("gpus").forEach(gpu -> gpus.add(gpu.asText()));
    return gpus;
  }

  private static double loss(Followed followed, int row) {
    return ((Number) followed.rows.get(row).get("loss")).doubleValue();
  }
}
