package dev.sparrow.spark.job;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.LocalSpark;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The whole road, on local[2]: text, shards, two ranks in a barrier stage, a model that speaks. */
class TrainJobTest {
  @TempDir private static Path shared;
  private static Path corpus;
  private static SparkSession spark;

  @BeforeAll
  static void open() throws IOException {
    corpus = TinyRun.corpus(shared);
    spark = LocalSpark.session();
  }

  @Test
  void aRunLeavesModelMetricsSummaryAndReport(@TempDir Path directory) throws IOException {
    Path output = directory.resolve("run");
    RunConfig config =
        TinyRun.config(
            corpus, output, "train.validate-every=50", "train.steps=150", "train.log-every=25");
    Followed followed = new Followed();
    TrainJob.Trained trained = new TrainJob(spark, config, followed).run(TrainJob.Mode.NEW);

    JsonNode summary =
        new ObjectMapper().readTree(Files.readString(output.resolve("summary.json")));
    assertEquals(150, summary.get("steps").asLong());
    assertEquals(2, summary.get("ranks").asInt());
    assertTrue(
        summary.get("validation_loss").asDouble() < 0.7 * summary.get("unigram_loss").asDouble(),
        summary::toString);
    assertTrue(summary.get("active_parameters").asLong() < summary.get("parameters").asLong());
    List<String> rows = Files.readAllLines(output.resolve("metrics.jsonl"));
    assertEquals(6, rows.size());
    assertEquals(6, followed.rows.size());
    JsonNode last = new ObjectMapper().readTree(rows.get(5));
    assertEquals(150, last.get("step").asLong());
    assertTrue(last.has("expert_load_max_over_mean"), last::toString);
    assertEquals(
        summary.get("validation_loss").asDouble(), last.get("validation_loss").asDouble(), 0.0);
    assertTrue(Files.size(output.resolve("report.html")) > 100_000, "Chart.js is inside");
    assertTrue(Files.exists(output.resolve("model/model.safetensors")));
    assertTrue(trained.sample().startsWith("sparse "), trained::sample);
    assertTrue(trained.sample().length() > "sparse ".length());
  }

  @Test
  void evaluationOfTheModelRepeatsTheRunsValidationLoss(@TempDir Path directory) {
    Path output = directory.resolve("run");
    RunConfig config = TinyRun.config(corpus, output);
    TrainJob.Trained trained = new TrainJob(spark, config, new Followed()).run(TrainJob.Mode.NEW);
    EvaluateJob.Evaluated evaluated = new EvaluateJob(spark, config, output.toString()).run();
    double expected = ((Number) trained.summary().get("validation_loss")).doubleValue();
    assertEquals(expected, evaluated.loss(), 1e-9 * expected);
    assertTrue(evaluated.targets() > 0);
  }

  /** All of it counts, in shards of their own, which a second evaluation uses again. */
  @Test
  void otherTextIsEvaluatedWhole(@TempDir Path directory) throws IOException {
    Path output = directory.resolve("run");
    new TrainJob(spark, TinyRun.config(corpus, output), new Followed()).run(TrainJob.Mode.NEW);
    Path text =
        Files.writeString(directory.resolve("other.txt"), "sparse dense expert\n".repeat(60));
    RunConfig other = TinyRun.config(text, output, "data.validation-fraction=1");
    EvaluateJob.Evaluated evaluated = new EvaluateJob(spark, other, output.toString()).run();
    // 20 tokens a line, end-of-text counted; each but the first of a stream is a target.
    long tokens = 60 * 20;
    assertTrue(evaluated.targets() > tokens - 3 * 32 && evaluated.targets() < tokens);
    assertNull(evaluated.unigramLoss());
    assertEquals(evaluated, new EvaluateJob(spark, other, output.toString()).run());
  }

  /** Pruned on two ranks, experts too; the model's file says which weights there are. */
  @Test
  void aSparseModelIsTrainedLoadedAndEvaluated(@TempDir Path directory) {
    Path output = directory.resolve("run");
    RunConfig config =
        TinyRun.config(
            corpus,
            output,
            "method.name=moe+uniform",
            "uniform.schedule=gradual",
            "uniform.sparsity=0.75",
            "uniform.update-every=5");
    TrainJob.Trained trained = new TrainJob(spark, config, new Followed()).run(TrainJob.Mode.NEW);
    assertEquals("moe+uniform", trained.summary().get("method"));
    double expected = ((Number) trained.summary().get("validation_loss")).doubleValue();
    EvaluateJob.Evaluated evaluated = new EvaluateJob(spark, config, output.toString()).run();
    assertEquals(expected, evaluated.loss(), 1e-9 * expected);
    String[] tuning = {
      "method.name=moe+uniform",
      "uniform.schedule=static",
      "uniform.sparsity=0.75",
      "train.from=" + output,
      "train.steps=5",
      "optimizer.learning-rate=1e-5"
    };
    RunConfig more = TinyRun.config(corpus, directory.resolve("more"), tuning);
    TrainJob.Trained tuned = new TrainJob(spark, more, new Followed()).run(TrainJob.Mode.NEW);
    double after = ((Number) tuned.summary().get("validation_loss")).doubleValue();
    assertEquals(expected, after, 0.05, "trained on from where the first run ended");
    RunConfig nowhere =
        TinyRun.config(corpus, directory.resolve("none"), "train.from=" + directory + "/absent");
    JobException e =
        assertThrows(
            JobException.class,
            () -> new TrainJob(spark, nowhere, new Followed()).run(TrainJob.Mode.NEW));
    assertTrue(e.getMessage().startsWith("train.from: expected"), e::getMessage);
  }

  @Test
  void theSameSettingsGiveTheSameBitsAndAResumedRunDoesToo(@TempDir Path directory)
      throws IOException {
    Path whole = directory.resolve("whole");
    Path parts = directory.resolve("parts");
    new TrainJob(spark, TinyRun.config(corpus, whole), new Followed()).run(TrainJob.Mode.NEW);
    // The schedule's length is that of the whole run, so the first part stops at a checkpoint.
    String[] constant = {"schedule.name=constant", "checkpoint.every=10"};
    Path twin = directory.resolve("twin");
    new TrainJob(spark, TinyRun.config(corpus, twin, constant), new Followed())
        .run(TrainJob.Mode.NEW);
    String[] half = {"schedule.name=constant", "checkpoint.every=10", "train.steps=10"};
    new TrainJob(spark, TinyRun.config(corpus, parts, half), new Followed()).run(TrainJob.Mode.NEW);
    Followed resumed = new Followed();
    new TrainJob(spark, TinyRun.config(corpus, parts, constant), resumed)
        .run(new TrainJob.Mode(false, true));
    assertArrayEquals(model(twin), model(parts));
    assertTrue(resumed.notes.contains("resumed after step 10"), resumed.notes::toString);
    assertEquals(
        6, Files.readAllLines(parts.resolve("metrics.jsonl")).size(), "rows of both parts");
    Path again = directory.resolve("again");
    new TrainJob(spark, TinyRun.config(corpus, again), new Followed()).run(TrainJob.Mode.NEW);
    assertArrayEquals(model(whole), model(again));
  }

  @Test
  void encryptionOfTheRingChangesNoBit(@TempDir Path directory) throws IOException {
    for (String encrypt : List.of("on", "off")) {
      RunConfig config =
          TinyRun.config(
              corpus,
              directory.resolve(encrypt),
              "data.shards=" + directory.resolve("shards"),
              "train.steps=5",
              "cluster.encrypt=" + encrypt);
      new TrainJob(spark, config, new Followed()).run(TrainJob.Mode.NEW);
    }
    assertArrayEquals(model(directory.resolve("on")), model(directory.resolve("off")));
  }

  @Test
  void aRunIsNotWrittenOverUnlessAskedTo(@TempDir Path directory) throws IOException {
    Path output = directory.resolve("run");
    RunConfig config = TinyRun.config(corpus, output, "train.steps=5");
    new TrainJob(spark, config, new Followed()).run(TrainJob.Mode.NEW);
    byte[] first = model(output);
    JobException e =
        assertThrows(
            JobException.class,
            () -> new TrainJob(spark, config, new Followed()).run(TrainJob.Mode.NEW));
    assertTrue(e.getMessage().contains("--overwrite"), e::getMessage);
    assertArrayEquals(first, model(output));
    RunConfig other = TinyRun.config(corpus, output, "train.steps=5", "train.seed=2");
    new TrainJob(spark, other, new Followed()).run(new TrainJob.Mode(true, false));
    assertFalse(java.util.Arrays.equals(first, model(output)));
  }

  @Test
  void moreRanksThanSlotsAreRefusedBeforeAnythingIsWritten(@TempDir Path directory)
      throws IOException {
    RunConfig config =
        TinyRun.config(corpus, directory.resolve("run"), "cluster.ranks=4", "train.batch=8");
    IllegalStateException e =
        assertThrows(
            IllegalStateException.class,
            () -> new TrainJob(spark, config, new Followed()).run(TrainJob.Mode.NEW));
    assertTrue(
        e.getMessage().contains("cluster.ranks: expected at most the 2 tasks"), e::getMessage);
    try (Stream<Path> left = Files.list(directory)) {
      assertEquals(0, left.count());
    }
  }

  @Test
  void divergenceStopsWithStepAndPlaceAndKeepsTheLastGoodCheckpoint(@TempDir Path directory) {
    Path output = directory.resolve("run");
    RunConfig config =
        TinyRun.config(
            corpus,
            output,
            "checkpoint.every=1",
            "optimizer.name=sgd",
            "optimizer.clip-norm=0",
            "schedule.name=constant",
            "optimizer.learning-rate=1e30");
    JobException e =
        assertThrows(
            JobException.class,
            () -> new TrainJob(spark, config, new Followed()).run(TrainJob.Mode.NEW));
    assertTrue(e.getMessage().contains("step"), e::getMessage);
    assertEquals(1, e.getMessage().lines().count());
  }

  @Test
  void aBatchLargerThanTheDataIsRefused(@TempDir Path directory) {
    RunConfig config = TinyRun.config(corpus, directory.resolve("run"), "train.batch=100000");
    JobException e =
        assertThrows(
            JobException.class,
            () -> new TrainJob(spark, config, new Followed()).run(TrainJob.Mode.NEW));
    assertTrue(e.getMessage().startsWith("train.batch: expected at most the"), e::getMessage);
  }

  private static byte[] model(Path run) throws IOException {
    return Files.readAllBytes(run.resolve("model/model.safetensors"));
  }
}
