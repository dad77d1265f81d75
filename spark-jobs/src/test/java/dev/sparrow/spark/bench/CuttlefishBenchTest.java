package dev.sparrow.spark.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.bench.BenchRow;
import dev.sparrow.spark.LocalSpark;
import dev.sparrow.spark.job.ImageRun;
import dev.sparrow.spark.job.TinyRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CuttlefishBenchTest {
  /** Of the recipes' steps. */
  private static final double SHARE = 0.015;

  private static final CuttlefishPlan PLAN =
      new CuttlefishPlan(
          List.of(CuttlefishTask.MLP, CuttlefishTask.GPT),
          List.of(LowRankForm.FULL, LowRankForm.AUTO, LowRankForm.EIGHTH),
          1,
          SHARE);

  @TempDir Path directory;

  private CuttlefishSources sources(SparkSession spark) throws IOException {
    ImageRun.labelled(spark, directory.resolve("images/train"), 700, 1);
    ImageRun.labelled(spark, directory.resolve("images/test"), 200, 2);
    Path text = Files.createDirectories(directory.resolve("text"));
    Files.move(TinyRun.corpus(text), text.resolve("valid.txt"));
    Files.copy(text.resolve("valid.txt"), text.resolve("test.txt"));
    return new CuttlefishSources(directory.resolve("images").toString(), text.toString());
  }

  @Test
  void formsOfImagesAndTextAreTrainedTestedAndGoneOnWith() throws IOException {
    SparkSession spark = LocalSpark.session();
    CuttlefishSources sources = sources(spark);
    Path work = directory.resolve("work");
    List<String> told = new ArrayList<>();
    try (Backend backend = new CpuBackend(2)) {
      CuttlefishBench bench = new CuttlefishBench(spark, backend, work, told::add);
      List<BenchRow> rows = bench.run(PLAN, sources);
      assertTrue(told.get(0).startsWith("6 runs to do: about "), told::toString);
      assertEquals(6 * 5, rows.size());
      RunLog<CuttlefishRun> log = new RunLog<>(work.resolve("runs.jsonl"), CuttlefishRun.class);
      requireForms(log.runs().subList(0, 3));
      requireForms(log.runs().subList(3, 6));
      assertTrue(log.runs().get(0).test() > 0.6, () -> "three classes: " + log.runs().get(0));
      assertTrue(log.runs().get(3).test() < 40, () -> "256 bytes: " + log.runs().get(3));

      List<String> lines = Files.readAllLines(work.resolve("runs.jsonl"));
      Files.write(work.resolve("runs.jsonl"), lines.subList(0, 5));
      told.clear();
      bench.run(PLAN, sources);
      assertTrue(told.get(0).startsWith("1 runs to do: about "), told::toString);
      assertTrue(told.get(1).startsWith("gpt, fixed, 1/8"), told::toString);
      assertTrue(told.contains("### gpt") && told.contains("### mlp"), told::toString);
    }
  }

  private static void requireForms(List<CuttlefishRun> runs) {
    CuttlefishRun full = runs.get(0);
    assertEquals(-1, full.switchedAt(), full::toString);
    assertEquals(full.startParameters(), full.parameters());
    assertTrue(full.seconds() > 0 && full.millisBefore() > 0, full::toString);
    assertTrue(full.millisBefore() * full.steps() <= 1000 * full.seconds(), full::toString);
    CuttlefishRun auto = runs.get(1);
    assertEquals(full.parameters(), auto.startParameters());
    assertTrue(auto.switchedAt() > 0 && auto.switchedAt() < auto.steps(), auto::toString);
    assertTrue(auto.detectorSeconds() > 0 && auto.detectorSeconds() < auto.seconds());
    assertTrue(auto.millisBefore() > 0 && auto.millisAfter() > 0, auto::toString);
    CuttlefishRun eighth = runs.get(2);
    assertEquals(0, eighth.switchedAt());
    assertEquals(eighth.startParameters(), eighth.parameters());
    assertTrue(eighth.parameters() < 0.6 * full.parameters(), eighth::toString);
    assertEquals(0.125, eighth.rankShare(), 0.01);
  }
}
