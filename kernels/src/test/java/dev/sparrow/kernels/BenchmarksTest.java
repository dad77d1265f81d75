package dev.sparrow.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sparrow.kernels.Command.Outcome;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The benchmarks on the host: each of their launches once, at tiny sizes, with its results looked
 * at; and the script that runs them on a GPU, with a driver and a compiler that are not there.
 */
class BenchmarksTest {
  private static final List<String> FIELDS =
      List.of(
          "suite",
          "case",
          "metric",
          "value",
          "unit",
          "baseline",
          "ratio",
          "runs",
          "min",
          "max",
          "device");

  @TempDir Path folder;

  @BeforeAll
  static void build() throws Exception {
    assumeTrue(
        Command.compilesForTheHost(), "g++ is not installed: the kernels' benchmarks are skipped");
    Outcome build = Command.run("bash", "bench/build.sh", "host", "target/bench");
    assertEquals(0, build.exitCode(), build.output());
  }

  @ParameterizedTest
  @ValueSource(strings = {"gemm", "conv", "grouped", "moe", "attention", "bandwidth"})
  void everyCaseRunsOnceAndNoTimeIsMadeUp(String name) throws Exception {
    Path json = folder.resolve("rows.json");
    Outcome outcome = Command.run(program(name), "--smoke", "--json", json.toString());
    assertEquals(0, outcome.exitCode(), outcome.output());
    assertTrue(
        outcome.output().lines().anyMatch(line -> line.startsWith("GOAL ")), outcome.output());
    Set<String> seen = new HashSet<>();
    for (JsonNode row : new ObjectMapper().readTree(json.toFile())) {
      List<String> fields = new ArrayList<>();
      row.fieldNames().forEachRemaining(fields::add);
      assertEquals(FIELDS, fields, row.toString());
      assertEquals(name, row.path("suite").asText());
      assertTrue(seen.add(row.path("case") + " " + row.path("metric")), "twice: " + row);
      for (String figure : List.of("value", "baseline", "ratio", "min", "max")) {
        assertTrue(row.path(figure).isNull(), row.toString());
      }
      assertEquals(0, row.path("runs").asInt());
    }
    assertFalse(seen.isEmpty(), outcome.output());
  }

  @Test
  void withoutSmokeTheEmulationRefusesToTime() throws Exception {
    Outcome outcome = Command.run(program("gemm"));
    assertEquals(2, outcome.exitCode(), outcome.output());
    assertTrue(outcome.output().contains("expected --smoke"), outcome.output());
  }

  @Test
  void aPeersFigureStandsBesideTheCaseOfItsName() throws Exception {
    Path peer = folder.resolve("peer.txt");
    Files.writeString(peer, "PEER dense nt 72x72x72 = 123.4 TFLOP/s\n");
    Outcome outcome =
        Command.run(program("gemm"), "--smoke", "--only", "dense", "--peer", peer.toString());
    List<String> beside = outcome.output().lines().filter(line -> line.contains("123.4")).toList();
    assertEquals(1, beside.size(), outcome.output());
    assertTrue(beside.get(0).startsWith("dense nt 72x72x72 "), beside.get(0));
  }

  @Test
  void theScriptGoesThroughItsStagesAndSaysWhatWasNotRun() throws Exception {
    Outcome outcome = onDevice("--smoke", "--only", "gemm,attention,jvm");
    assertEquals(0, outcome.exitCode(), outcome.output());
    String summary = outcome.output().substring(outcome.output().indexOf("== summary"));
    assertTrue(summary.matches("(?s).*\ngemm +passed, .*"), summary);
    assertTrue(summary.matches("(?s).*\nattention +passed, .*"), summary);
    assertTrue(summary.matches("(?s).*\njvm +not run: no --bundle\n.*"), summary);
    assertTrue(summary.contains("\nGOAL attention decode"), summary);
    try (var results = Files.list(folder.resolve("results"))) {
      Path run = results.findFirst().orElseThrow();
      assertTrue(Files.readString(run.resolve("log.txt")).endsWith(summary));
      assertTrue(Files.size(run.resolve("attention.json")) > 100);
    }
  }

  @Test
  void theScriptNamesAStageThatFails() throws Exception {
    Outcome outcome =
        onDevice("--smoke", "--only", "yardstick,gemm", "--yardstick", "echo gone; exit 5");
    assertEquals(1, outcome.exitCode(), outcome.output());
    assertTrue(outcome.output().matches("(?s).*\nyardstick +FAILED \\(5\\), .*"), outcome.output());
    assertTrue(outcome.output().matches("(?s).*\ngemm +passed, .*"), outcome.output());
  }

  /** Runs on-device.sh where nvidia-smi knows a GPU and nvcc makes programs for the host. */
  private Outcome onDevice(String... options) throws Exception {
    Path tools = Files.createDirectories(folder.resolve("tools"));
    tool(
        tools.resolve("nvidia-smi"),
        "case \"$*\" in *compute_cap*) echo 8.0 ;; *) echo Nobody ;; esac");
    tool(
        tools.resolve("nvcc"),
        """
        source="" object="" dependencies=/dev/null
        while (( $# > 0 )); do
          case "$1" in -o) object="$2" ;; -MF) dependencies="$2" ;; -c) source="$2" ;; esac
          shift
        done
        if [[ -n "$source" ]]; then echo "$object: $source" > "$dependencies"; touch "$object"
        elif [[ -n "$object" ]]; then
          name="$(basename "$object")"
          cp "target/bench/${name%-device}-host" "$object"
        fi
        """);
    List<String> command = new ArrayList<>(List.of("bash", "on-device.sh"));
    command.addAll(List.of(options));
    command.add(folder.resolve("results").toString());
    String path = tools + File.pathSeparator + System.getenv("PATH");
    Map<String, String> environment =
        Map.of(
            "PATH", path,
            "NVCC", tools.resolve("nvcc").toString(),
            "WORK", folder.resolve("work").toString());
    return Command.run(environment, command.toArray(String[]::new));
  }

  private static void tool(Path file, String script) throws IOException {
    Files.writeString(file, "#!/usr/bin/env bash\n" + script);
    assertTrue(file.toFile().setExecutable(true));
  }

  private static String program(String name) {
    return Command.target("bench/" + name + "-bench-host").toString();
  }
}
