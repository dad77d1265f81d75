package dev.sparrow.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

class CommandLineTest {
  @Test
  void everyCommandIsReachable() {
    assertEquals(
        Set.of("shard", "train", "evaluate", "predict", "generate", "export", "inspect", "bench"),
        Sparrow.commandLine().getSubcommands().keySet());
  }

  @Test
  void suitesOfBenchAreTakenInLowerCase() {
    CommandLine.ParseResult parsed =
        Sparrow.commandLine().parseArgs("bench", "lm", "moe", "shard", "allreduce", "--runs", "3");
    String suites = parsed.subcommand().matchedPositionalValue(0, null).toString();
    assertEquals("[LM, MOE, SHARD, ALLREDUCE]", suites);
  }

  @Test
  void benchTakesTheBackendThatIsAskedFor() {
    CommandRun.of(List.of("bench", "moe", "--backend", "cuda", "--gpu", "99"))
        .failedWith("bench", "GPU address 99");
    CommandRun.of(List.of("bench", "moe", "--backend", "cpu", "--gpu", "0"))
        .failedWith("--gpu: expected with --backend cuda or auto");
    CommandRun.of(List.of("bench", "moe", "--backend", "gpu")).failedWith("--backend", "gpu");
  }

  @Test
  void benchCuttlefishNeedsTheDataOfItsTasks() {
    CommandRun.of(List.of("bench", "cuttlefish", "--backend", "cpu"))
        .failedWith("--data FOLDER", "mlp, resnet, vit", "--text FOLDER", "gpt");
    CommandRun.of(List.of("bench", "cuttlefish", "--backend", "cpu", "--tasks", "gpt,vit"))
        .failedWith("--data FOLDER", "for vit", "--text FOLDER", "for gpt");
    CommandRun.of(List.of("bench", "cuttlefish", "--tasks", "lstm")).failedWith("lstm");
    CommandRun.of(List.of("bench", "cuttlefish", "--backend", "cpu", "--seeds", "0"))
        .failedWith("seeds: expected 1 or more, got 0");
  }

  @Test
  void anUnknownSuiteIsRefusedWithTheValidOnes() {
    CommandLine.ParameterException e =
        assertThrows(
            CommandLine.ParameterException.class,
            () -> Sparrow.commandLine().parseArgs("bench", "fft"));
    assertTrue(e.getMessage().contains("fft"), e::getMessage);
  }
}
