package dev.sparrow.spark.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.config.ConfigParser;
import dev.sparrow.spark.LocalCluster;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.spark.SparkEnv;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** On a standalone cluster of one worker that offers two GPUs. */
class AssignedGpusTest {
  private static final String FIRST = "GPU-00000000-0000-0000-0000-00000000000a";
  private static final String SECOND = "GPU-00000000-0000-0000-0000-00000000000b";

  @TempDir Path directory;

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void everyRankHasAGpuOfItsOwn(int ofAnExecutor) throws IOException {
    Map<String, String> settings =
        new HashMap<>(LocalCluster.gpus(directory, ofAnExecutor, FIRST, SECOND));
    settings.put("spark.executor.cores", Integer.toString(ofAnExecutor));
    List<String> told;
    try (SparkSession spark = cluster(settings)) {
      assertEquals(2, ClusterChecks.ranks(spark.sparkContext(), 2), "slots");
      told =
          BarrierStage.run(
              spark.sparkContext(),
              2,
              context -> {
                String own = AssignedGpus.ofTask(context).orElse("none");
                List<String> all = AssignedGpus.ofAllRanks(context, own);
                String place = SparkEnv.get().blockManager().blockManagerId().host() + " " + own;
                boolean inPlace = all.get(context.partitionId()).equals(place);
                return own + " " + SparkEnv.get().executorId() + " " + inPlace;
              });
    }
    String second = ofAnExecutor == 2 ? "0" : "1";
    List<List<String>> expected =
        List.of(
            List.of(FIRST + " 0 true", SECOND + " " + second + " true"),
            List.of(FIRST + " " + second + " true", SECOND + " 0 true"));
    assertTrue(expected.contains(List.copyOf(new TreeSet<>(told))), told::toString);
  }

  @Test
  void severalGpusForOneTaskAreRefusedWithTheCure() throws IOException {
    Map<String, String> settings = new HashMap<>(LocalCluster.gpus(directory, 2, FIRST, SECOND));
    settings.put("spark.task.resource.gpu.amount", "2");
    List<String> told;
    try (SparkSession spark = cluster(settings)) {
      assertEquals(1, ClusterChecks.ranks(spark.sparkContext(), 1), "slots");
      told =
          BarrierStage.run(
              spark.sparkContext(),
              1,
              context ->
                  assertThrows(IllegalArgumentException.class, () -> AssignedGpus.ofTask(context))
                      .getMessage());
    }
    assertTrue(told.get(0).contains(FIRST + ", " + SECOND), told::toString);
    assertTrue(told.get(0).contains("set spark.task.resource.gpu.amount=1"), told::toString);
  }

  private static SparkSession cluster(Map<String, String> settings) throws IOException {
    return LocalCluster.open("local-cluster[1,2,2048]", ConfigParser.defaults(), settings);
  }

  @Test
  void twoRanksOnOneGpuAreRefused() {
    AssignedGpus.requireDistinct(List.of("one " + FIRST, "one " + SECOND));
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () -> AssignedGpus.requireDistinct(List.of("one " + FIRST, "two 0", "one " + FIRST)));
    assertTrue(e.getMessage().contains("got ranks 0 and 2 (one " + FIRST + ")"), e::getMessage);
  }

  @Test
  void anOrdinalMayMeanTwoGpusInTwoContainers() {
    AssignedGpus.requireDistinct(List.of("one 0", "one 0"));
  }
}
