package dev.sparrow.spark.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.bench.BenchRow;
import dev.sparrow.spark.LocalSpark;
import dev.sparrow.spark.job.ImageRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PruningBenchTest {
  @TempDir Path directory;

  @Test
  void aBenchmarkThatWasCutOffGoesOnWithTheRunsThatAreMissing() throws IOException {
    SparkSession spark = LocalSpark.session();
    String train = ImageRun.labelled(spark, directory.resolve("train"), 3800, 1);
    String test = ImageRun.labelled(spark, directory.resolve("test"), 300, 2);
    Path work = directory.resolve("work");
    Path log = work.resolve("runs.jsonl");
    List<String> told = new ArrayList<>();
    try (Backend backend = new CpuBackend(2)) {
      List<BenchRow> all = new PruningBench(spark, backend, work, told::add).run(train, test, true);
      assertTrue(told.get(0).startsWith("2 runs to do: about "), told::toString);
      assertEquals("| test accuracy, % | 90% zeros |", told.get(3));
      List<String> runs = Files.readAllLines(log);
      assertEquals(2, runs.size());

      // Cut off while the second line was being written.
      Files.writeString(log, runs.get(0) + "\n" + runs.get(1).substring(0, 20));
      told.clear();
      List<BenchRow> again =
          new PruningBench(spark, backend, work, told::add).run(train, test, true);
      assertTrue(told.get(0).startsWith("1 runs to do: about "), told::toString);
      assertEquals(all, again, "a run repeats to the bit");
      assertEquals(2, Files.readAllLines(log).size());
    }
  }
}
