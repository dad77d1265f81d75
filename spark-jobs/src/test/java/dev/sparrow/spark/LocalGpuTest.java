package dev.sparrow.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sparrow.spark.job.TinyRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Commands on a local master, in JVMs that find an emulated CUDA driver of two GPUs. */
class LocalGpuTest {
  @TempDir Path directory;
  private Path corpus;

  @BeforeEach
  void write() throws IOException {
    corpus = TinyRun.corpus(directory);
  }

  @Test
  void ranksTakeTheGpusOfTheirNumbersWhereCudaIsAskedFor() throws Exception {
    Path run = directory.resolve("run");
    CommandRun trained = train("local[2]", run, "cluster.ranks=2");
    trained.succeeded();
    assertTrue(trained.out().contains("tokens/s on Emulated GPU"), trained.out());
    JsonNode gpus = new ObjectMapper().readTree(run.resolve("summary.json").toFile()).get("gpus");
    assertEquals(2, gpus.size());
    assertTrue(gpus.get(0).asText().endsWith(" 0"), gpus::toString);
    assertTrue(gpus.get(1).asText().endsWith(" 1"), gpus::toString);
    CommandRun evaluated = sparrow("local[2]", List.of(), "evaluate", run.toString());
    evaluated.succeeded();
    assertTrue(evaluated.out().contains("perplexity"), evaluated.out());
    generates(run);
  }

  private void generates(Path run) throws Exception {
    CommandRun generated = sparrow("local[1]", List.of(), "generate", run.toString());
    generated.succeeded();
    assertTrue(generated.out().startsWith("sparse"), generated.out());
    Path script = directory.resolve("gpus.sh");
    Files.writeString(script, "#!/bin/sh\necho '{\"name\": \"gpu\", \"addresses\": [\"7\"]}'\n");
    assertTrue(script.toFile().setExecutable(true));
    List<String> given =
        List.of(
            "-Dspark.driver.resource.gpu.amount=1",
            "-Dspark.driver.resource.gpu.discoveryScript=" + script);
    sparrow("local[1]", given, "generate", run.toString())
        .failedWith("GPU address 7: not among the 2 GPUs");
  }

  /** Ranks of one process, joined by the emulated GPUs' NCCL. */
  @Test
  void ranksUseTheLibrariesThatTheSettingsDemand() throws Exception {
    CommandRun trained =
        train(
            "local[2]",
            directory.resolve("run"),
            "cluster.ranks=2",
            "train.cuda.cublas=on",
            "train.cuda.nccl=on");
    trained.succeeded();
    assertTrue(trained.out().contains("cuBLASLt 13.1.0 for dense products"), trained.out());
  }

  /** Two of the three have a GPU and wait for the third. */
  @Test
  void moreRanksThanGpusAreRefusedAtOnce() throws Exception {
    CommandRun run =
        train("local[3]", directory.resolve("run"), "cluster.ranks=3", "train.batch=3");
    run.failedWith(
        "rank 2 on", "GPU address 2: not among the 2 GPUs", "at most the number of GPUs");
    assertEquals(1, run.code());
    assertFalse(run.out().contains("attempt"), run.out());
  }

  private CommandRun train(String master, Path output, String... more) throws Exception {
    List<String> arguments = new ArrayList<>(List.of("train"));
    arguments.addAll(
        TinyRun.assignments(
            corpus,
            output,
            "train.backend=cuda",
            "model.layers=1",
            "model.context=16",
            "train.steps=3",
            "train.batch=2",
            "train.log-every=1",
            "train.validation-sequences=4",
            "train.cuda.cublas=off",
            "train.cuda.nccl=off"));
    arguments.addAll(List.of(more));
    return sparrow(master, List.of(), arguments.toArray(String[]::new));
  }

  private CommandRun sparrow(String master, List<String> flags, String... arguments)
      throws Exception {
    List<String> all = new ArrayList<>(flags);
    all.add("-Dspark.master=" + master);
    return GpuJvm.run(directory, Sparrow.class, all, List.of(arguments));
  }
}
