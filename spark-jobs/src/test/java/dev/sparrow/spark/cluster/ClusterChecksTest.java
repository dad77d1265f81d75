package dev.sparrow.spark.cluster;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.config.Train.BackendChoice;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class ClusterChecksTest {
  private static final String TASK = "spark.task.resource.gpu.amount";
  private static final String EXECUTOR = "spark.executor.resource.gpu.amount";

  private static SparkConf conf(String master) {
    return new SparkConf(false).set("spark.master", master);
  }

  private static void refused(SparkConf conf, BackendChoice backend, String... words) {
    IllegalStateException e =
        assertThrows(IllegalStateException.class, () -> ClusterChecks.requireGpus(conf, backend));
    assertEquals(1, e.getMessage().lines().count());
    for (String word : words) {
      assertTrue(e.getMessage().contains(word), () -> "expected " + word + " in: " + e);
    }
  }

  private static void accepted(SparkConf conf, BackendChoice backend) {
    assertDoesNotThrow(() -> ClusterChecks.requireGpus(conf, backend));
  }

  @ParameterizedTest
  @ValueSource(strings = {"local-cluster[2,1,1024]", "yarn", "spark://host:7077", "k8s://host"})
  void cudaOnAClusterNeedsAGpuATask(String master) {
    refused(conf(master), BackendChoice.CUDA, TASK + "=1", EXECUTOR, "conf/spark-gpu.conf");
    accepted(conf(master).set(EXECUTOR, "2").set(TASK, "1"), BackendChoice.CUDA);
    accepted(conf(master).set(EXECUTOR, "2").set(TASK, "1.0"), BackendChoice.CUDA);
  }

  @ParameterizedTest
  @ValueSource(strings = {"0.5", "2"})
  void aRankHasOneWholeGpu(String amount) {
    SparkConf conf = conf("yarn").set(EXECUTOR, "4").set(TASK, amount);
    refused(conf, BackendChoice.AUTO, "expected 1", "got " + amount, TASK + "=1");
    refused(conf, BackendChoice.CUDA, "expected 1", "got " + amount, TASK + "=1");
    accepted(conf, BackendChoice.CPU);
  }

  @Test
  void gpusThatNoTaskGetsAreNotPassedOver() {
    SparkConf conf = conf("yarn").set(EXECUTOR, "4");
    refused(conf, BackendChoice.AUTO, EXECUTOR + " = 4", TASK + "=1", "train.backend=cpu");
    accepted(conf, BackendChoice.CPU);
  }

  @Test
  void autoNeedsNoGpus() {
    accepted(conf("yarn"), BackendChoice.AUTO);
    accepted(conf("local[2]"), BackendChoice.AUTO);
    accepted(conf("local[2]"), BackendChoice.CUDA);
  }

  @ParameterizedTest
  @EnumSource(BackendChoice.class)
  void aLocalMasterWouldWaitForGpusForEver(BackendChoice backend) {
    SparkConf conf = conf("local[2]").set(EXECUTOR, "2").set(TASK, "1");
    refused(conf, backend, "expected none on local[2]", "train.backend=cuda");
  }
}
