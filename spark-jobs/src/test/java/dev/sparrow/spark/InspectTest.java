package dev.sparrow.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.RunConfig;
import dev.sparrow.model.ModelSummary;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A model small enough to count by hand: bytes (257 ids), width 8, context 4, one block, no biases,
 * four experts of 16 columns of which a token meets two.
 */
class InspectTest {
  private static final List<String> TINY =
      List.of(
          "model.layers=1",
          "model.heads=2",
          "model.width=8",
          "model.context=4",
          "model.bias=false",
          "method.name=moe",
          "moe.experts=4",
          "moe.top-k=2",
          "moe.expert-hidden=16",
          "train.batch=2");

  private static final int EMBEDDINGS = 257 * 8 + 4 * 8;
  private static final int NORMS = 3 * 8;
  private static final int ATTENTION = 8 * 24 + 8 * 8;
  private static final int ROUTER = 8 * 4;
  private static final int EXPERT = 2 * 8 * 16;

  private static String inspect(String command, String... arguments) {
    List<String> all = new ArrayList<>(List.of(command));
    all.addAll(List.of(arguments));
    return CommandRun.of(all).succeeded().out();
  }

  @Test
  void parametersAndFlopsAreThoseCountedByHand() {
    String table = inspect("inspect", TINY.toArray(String[]::new));
    int dense = EMBEDDINGS + NORMS + ATTENTION + ROUTER;
    String parameters =
        String.format(
            Locale.ROOT, "%,d, of which a token meets %,d", dense + 4 * EXPERT, dense + 2 * EXPERT);
    assertTrue(table.contains(parameters), table);
    // Scores and their sum over values, 8 columns each, of 2.5 tokens on average; then the head.
    double forward = 2 * (ATTENTION + 2 * 8 * 2.5 + ROUTER + 2 * EXPERT + 257 * 8);
    String flops =
        String.format(
            Locale.ROOT,
            "%.1f kFLOP forward, %.1f kFLOP training",
            forward / 1e3,
            3 * forward / 1e3);
    assertTrue(table.contains(flops), table);
    assertTrue(table.contains("vocabulary   257"), table);
  }

  /** A quarter of each matrix but the router's is left, of which a token meets two experts'. */
  @Test
  void sparseExpertsAreNamedAndCountedByTheirNonZeros() {
    List<String> settings = new ArrayList<>(TINY);
    settings.addAll(
        List.of("method.name=moe+uniform", "uniform.schedule=static", "uniform.sparsity=0.75"));
    String table = inspect("inspect", settings.toArray(String[]::new));
    int dense = EMBEDDINGS + NORMS + ATTENTION / 4 + ROUTER;
    String parameters =
        String.format(
            Locale.ROOT, "%,d, of which a token meets %,d", dense + EXPERT, dense + EXPERT / 2);
    assertTrue(table.contains(parameters), table);
    assertTrue(table.contains("blocks.0.feed_forward.experts.down"), table);
    assertTrue(
        table.contains("4 experts, 16 -> 8, uniformly sparse, 4 of 16 in each of 32 rows"), table);
  }

  /** At half of full rank 8 from the start: of each matrix 4 · (out + in). */
  @Test
  void lowRankLayersAreNamedAndCountedByTheirFactors() {
    List<String> settings = new ArrayList<>(TINY);
    settings.addAll(
        List.of("method.name=moe+cuttlefish", "cuttlefish.rule=fixed", "cuttlefish.ratio=0.5"));
    String table = inspect("inspect", settings.toArray(String[]::new));
    int dense = EMBEDDINGS + NORMS + ROUTER + 4 * (8 + 24) + 4 * (8 + 8);
    int expert = 2 * 4 * (8 + 16);
    String parameters =
        String.format(
            Locale.ROOT, "%,d, of which a token meets %,d", dense + 4 * expert, dense + 2 * expert);
    assertTrue(table.contains(parameters), table);
    assertTrue(table.contains("4 experts, 16 -> 8, low-rank, rank 4"), table);
    assertTrue(table.contains("Linear 8 -> 24, low-rank, rank 4"), table);
  }

  @Test
  void aDryRunPrintsTheSameTable() {
    String[] settings = TINY.toArray(String[]::new);
    List<String> dry = new ArrayList<>(TINY);
    dry.add("--dry-run");
    assertEquals(inspect("inspect", settings), inspect("train", dry.toArray(String[]::new)));
  }

  @Test
  void aRunDirectoryIsInspectedAsItsRecipeWouldBe(@TempDir Path run) throws IOException {
    Files.writeString(run.resolve("config.conf"), ConfigParser.parse("", "tiny", TINY).text());
    assertEquals(
        inspect("inspect", TINY.toArray(String[]::new)), inspect("inspect", run.toString()));
    String wider = inspect("inspect", run.toString(), "moe.experts=8");
    assertTrue(
        wider.contains(
            String.format(
                Locale.ROOT, "%,d", EMBEDDINGS + NORMS + ATTENTION + 2 * ROUTER + 8 * EXPERT)),
        wider);
  }

  @Test
  void memoryIsThatOfTheDeviceThatRanksWillHave() {
    RunConfig config = ConfigParser.parse("", "tiny", TINY);
    String cpu = inspect("inspect", TINY.toArray(String[]::new));
    String gpu = inspect("inspect", with("train.backend=cuda"));
    assertTrue(cpu.contains(memory(config, ModelSummary.Device.CPU) + " a rank: "), cpu);
    assertTrue(
        gpu.contains(memory(config, ModelSummary.Device.GPU) + " of GPU memory a rank: "), gpu);
    System.setProperty("spark.task.resource.gpu.amount", "1");
    try {
      assertEquals(gpu, inspect("train", with("--dry-run")));
      assertEquals(cpu, inspect("inspect", with("train.backend=cpu")));
    } finally {
      System.clearProperty("spark.task.resource.gpu.amount");
    }
  }

  private static String[] with(String argument) {
    return Stream.concat(TINY.stream(), Stream.of(argument)).toArray(String[]::new);
  }

  private static String memory(RunConfig config, ModelSummary.Device device) {
    long bytes = ModelSummary.of(config, 257, 2, device).bytes();
    return String.format(Locale.ROOT, "%.1f MiB", bytes / (double) (1 << 20));
  }
}
