package dev.sparrow.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sparrow.checkpoint.CheckpointStore;
import dev.sparrow.checkpoint.LocalFileStore;
import dev.sparrow.spark.job.TinyRun;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What bad input gets: a line of cause, an exit code, and nothing half-written taken for whole. */
class BadInputTest {
  private static final Map<String, String> SPARK =
      Map.of(
          "spark.master", "local[2]",
          "spark.driver.host", "localhost",
          "spark.driver.bindAddress", "127.0.0.1");

  @TempDir private static Path shared;
  private static Path corpus;

  /** A finished run of ten steps with checkpoints of steps 5 and 10; tests work on copies. */
  private static Path finished;

  @TempDir Path directory;

  @BeforeAll
  static void trainOnce() throws IOException {
    LocalSpark.stop();
    SPARK.forEach(System::setProperty);
    corpus = TinyRun.corpus(shared);
    finished = shared.resolve("finished");
    train(finished).succeeded();
  }

  @AfterAll
  static void clear() {
    SPARK.keySet().forEach(System::clearProperty);
  }

  private static CommandRun train(Path output, String... more) {
    List<String> arguments = new ArrayList<>(List.of("train"));
    arguments.addAll(TinyRun.assignments(corpus, output, "train.steps=10", "checkpoint.every=5"));
    arguments.addAll(List.of(more));
    return CommandRun.of(arguments);
  }

  private static CommandRun shard(Path output, String... more) {
    List<String> arguments = new ArrayList<>(List.of("shard", "data.shards=" + output));
    arguments.addAll(List.of(more));
    return CommandRun.of(arguments);
  }

  @Test
  void allProblemsOfTheSettingsComeAtOnceWithTheNearestNames() {
    CommandRun run =
        CommandRun.of(
            List.of(
                "train",
                "modle.layers=2",
                "train.stesp=3",
                "train.batch=many",
                "moe.top-k=9",
                "train.backend=gpu"));
    assertEquals(2, run.code());
    assertEquals(
        List.of(
            "sparrow train: modle.layers: unknown key; did you mean model.layers?",
            "sparrow train: train.stesp: unknown key; did you mean train.steps?",
            "sparrow train: moe.top-k: expected a whole number in 1..8, got 9",
            "sparrow train: train.batch: expected a whole number >= 1, got many",
            "sparrow train: train.backend: expected one of auto, cpu, cuda, got gpu"),
        run.err());
  }

  @Test
  void argumentsThatCannotBeParsedGetOneLine() {
    train(directory.resolve("run"), "--overwrite", "--resume").failedWith("--overwrite, --resume");
    train(directory.resolve("run"), "--resmue").failedWith("--resmue", "sparrow train --help");
    CommandRun.of(List.of("trian")).failedWith("trian", "did you mean train?");
    CommandRun.of(List.of("train", "one.conf", "two.conf")).failedWith("one.conf and two.conf");
  }

  @Test
  void aMissingRecipeIsNamed() {
    CommandRun.of(List.of("inspect", "conf/missing.conf"))
        .failedWith("conf/missing.conf", "expected a recipe");
    train(directory.resolve("run"), "conf/missing.conf").failedWith("conf/missing.conf");
  }

  @ParameterizedTest
  @ValueSource(strings = {"null", "\"\""})
  void aColumnWithoutTextIsRefused(String value) throws IOException {
    Path json = directory.resolve("rows.json");
    Files.writeString(json, ("{\"text\": " + value + ", \"id\": 1}\n").repeat(3));
    Path output = directory.resolve("shards");
    shard(output, "data.path=" + json, "data.format=json")
        .failedWith("column 'text'", "null or empty in all 3 rows");
    assertFalse(Files.exists(output.resolve("manifest.json")));
  }

  @Test
  void aMissingColumnIsNamedWithTheNearest() throws IOException {
    Path json = Files.writeString(directory.resolve("rows.json"), "{\"content\": \"some text\"}\n");
    shard(
            directory.resolve("shards"),
            "data.path=" + json,
            "data.format=json",
            "data.column=contents")
        .failedWith("contents", "did you mean 'content'");
  }

  @Test
  void aContextLongerThanTheDataIsRefused() throws IOException {
    Path text = Files.writeString(directory.resolve("short.txt"), "short\n");
    Path output = directory.resolve("shards");
    shard(output, "data.path=" + text, "model.context=512")
        .failedWith("context 512 needs at least 513 tokens", "lower context");
    assertFalse(Files.exists(output.resolve("manifest.json")));
  }

  @Test
  void idsBeyondTheVocabularyAreRefused() throws IOException {
    Path json = directory.resolve("ids.json");
    Files.writeString(json, "{\"tokens\": [1, 2, 3]}\n{\"tokens\": [4, 50, 6]}\n");
    Path output = directory.resolve("shards");
    shard(
            output,
            "data.path=" + json,
            "data.format=json",
            "tokenizer.kind=ids",
            "tokenizer.vocabulary=50",
            "model.context=2")
        .failedWith("expected an id from 0 to 49, got 50", "row 1");
    assertFalse(Files.exists(output.resolve("manifest.json")));
  }

  @Test
  void missingDataIsNamed() {
    Path output = directory.resolve("run");
    train(output, "data.path=" + directory + "/nowhere").failedWith("nowhere does not exist");
    train(output, "data.path=").failedWith("data.path: expected what to train on");
    CommandRun.of(List.of("train", "data.path=" + corpus)).failedWith("output.path: expected");
    assertFalse(Files.exists(output.resolve("config.conf")));
  }

  @Test
  void divergenceNamesStepAndPlaceAndKeepsTheLastGoodCheckpoint() {
    Path output = directory.resolve("run");
    train(
            output,
            "checkpoint.every=1",
            "optimizer.name=sgd",
            "optimizer.clip-norm=0",
            "optimizer.learning-rate=1e6",
            "data.path=" + finished.resolve("shards"))
        .failedWith(
            "training diverged at step", "first in the", "norm", "the last good checkpoint");
    assertTrue(checkpoints(output).latest().isPresent(), "a checkpoint that loads");
    assertFalse(Files.exists(output.resolve("model")));
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aDamagedShardStopsTraining(boolean truncated) throws IOException {
    Path shards = copy(finished.resolve("shards"));
    damage(largestFile(shards.resolve("train")), truncated);
    Path output = directory.resolve("run");
    CommandRun run = train(output, "data.path=" + shards);
    run.failedWith("is damaged: expected", "shard again with --overwrite");
    assertFalse(run.out().contains("attempt"), run.out());
    assertFalse(Files.exists(output.resolve("model")));
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aDamagedCheckpointIsPassedOver(boolean truncated) throws IOException {
    Path run = copy(finished);
    damage(run.resolve("checkpoints/step-00000010/model.safetensors"), truncated);
    CommandRun resumed = train(run, "--resume", "data.path=" + finished.resolve("shards"));
    resumed.succeeded();
    assertTrue(resumed.out().contains("resumed after step 5"), resumed.out());
    assertEquals(-1, Files.mismatch(model(finished), model(run)));
  }

  @Test
  void aCheckpointOfAnotherModelIsRefusedAndKept() throws IOException {
    Path run = copy(finished);
    CommandRun resumed =
        train(run, "--resume", "model.width=64", "data.path=" + finished.resolve("shards"));
    resumed.failedWith("does not fit", "expected", "got");
    assertFalse(resumed.out().contains("attempt"), resumed.out());
    assertEquals(10, checkpoints(run).latest().orElseThrow().state().step());
    CommandRun.of(List.of("generate", run.toString())).succeeded();
  }

  @Test
  void fewerSlotsThanRanksAreRefusedAndTheOldRunIsKept() throws IOException {
    Path run = copy(finished);
    train(run, "--overwrite", "cluster.ranks=4")
        .failedWith("cluster.ranks: expected at most the 2 tasks", "got 4");
    assertTrue(Files.exists(model(run)));
  }

  @Test
  void dynamicAllocationIsRefused() {
    String key = "spark.dynamicAllocation.enabled";
    under(
        Map.of(key, "true"),
        () -> train(directory.resolve("run")).failedWith(key, "expected false"));
  }

  @Test
  void cudaWithoutADriverIsRefusedAtOnce() {
    assumeTrue(Files.notExists(Path.of("/proc/driver/nvidia")), "this machine has a CUDA driver");
    String shards = "data.path=" + finished.resolve("shards");
    Path output = directory.resolve("run");
    CommandRun run = train(output, shards, "train.backend=cuda");
    run.failedWith("sparrow train: rank 0 on", noCuda());
    assertFalse(run.out().contains("attempt"), run.out());
    assertFalse(Files.exists(output.resolve("model")));
    CommandRun.of(List.of("evaluate", finished.toString(), shards, "train.backend=cuda"))
        .failedWith("sparrow evaluate: rank 0 on", noCuda());
    CommandRun.of(List.of("generate", finished.toString(), "train.backend=cuda"))
        .failedWith("sparrow generate: ", noCuda());
  }

  /** What the build lacks is told before what the machine lacks. */
  private static String noCuda() {
    URL index = BadInputTest.class.getResource("/dev/sparrow/kernels/index.json");
    if (index == null) {
      return "this build has no kernel index";
    }
    try (InputStream in = index.openStream()) {
      return new ObjectMapper().readTree(in).get("built").asBoolean()
          ? "GPU address 0: no NVIDIA driver here"
          : "this build was made without nvcc";
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void gpusThatSparkCannotGiveAreRefused() {
    String task = "spark.task.resource.gpu.amount";
    String executor = "spark.executor.resource.gpu.amount";
    Path output = directory.resolve("run");
    under(
        Map.of(executor, "2", task, "1"),
        () -> train(output).failedWith(task, "expected none on local[2]", "train.backend=cuda"));
    under(
        Map.of("spark.master", "local-cluster[1,1,1024]"),
        () -> train(output, "train.backend=cuda").failedWith(task + "=1", "conf/spark-gpu.conf"));
    under(
        Map.of("spark.master", "local-cluster[1,1,1024]", executor, "2", task, "2"),
        () -> train(output).failedWith(task, "expected 1, one GPU a rank, got 2"));
    assertFalse(Files.exists(output));
  }

  private static void under(Map<String, String> settings, Runnable test) {
    settings.forEach(System::setProperty);
    try {
      test.run();
    } finally {
      settings.keySet().forEach(System::clearProperty);
      SPARK.forEach(System::setProperty);
    }
  }

  @Test
  void anOutputThatHoldsARunIsRefused() throws IOException {
    byte[] before = Files.readAllBytes(model(finished));
    train(finished).failedWith("output.path", "--resume", "--overwrite");
    assertEquals(-1, Files.mismatch(model(finished), Files.write(directory.resolve("m"), before)));
  }

  @Test
  void whatIsNoRunIsNamed() {
    for (String command : List.of("generate", "evaluate")) {
      CommandRun.of(List.of(command, directory.toString()))
          .failedWith(directory.toString(), "expected the directory of a finished run");
    }
  }

  private static CheckpointStore checkpoints(Path run) {
    return new CheckpointStore(new LocalFileStore(), run.resolve("checkpoints").toString(), 2);
  }

  private static Path model(Path run) {
    return run.resolve("model/model.safetensors");
  }

  private static Path largestFile(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .filter(file -> file.toString().endsWith(".arrow"))
          .max(Comparator.comparingLong(file -> file.toFile().length()))
          .orElseThrow();
    }
  }

  /** Without the local file system's own checksum files, which would hide what is tested. */
  private Path copy(Path tree) throws IOException {
    Path target = directory.resolve("copy-of-" + tree.getFileName());
    try (Stream<Path> entries = Files.walk(tree)) {
      for (Path entry : entries.filter(e -> !e.toString().endsWith(".crc")).toList()) {
        Files.copy(entry, target.resolve(tree.relativize(entry).toString()));
      }
    }
    return target;
  }

  /** Cuts the file short, or flips one bit in its midst. */
  private static void damage(Path file, boolean truncated) throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    int middle = bytes.length / 2;
    bytes[middle] ^= 1;
    Files.write(file, truncated ? Arrays.copyOf(bytes, middle) : bytes);
  }
}
