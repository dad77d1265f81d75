package dev.sparrow.spark.job;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MetricsLogTest {
  @TempDir Path folder;

  private List<String> onDisk() throws IOException {
    return Files.readAllLines(folder.resolve("metrics.jsonl"));
  }

  /** So that a run can be watched, and one whose driver is killed keeps its rows. */
  @Test
  void aRowIsThereAsSoonAsItIsWritten() throws IOException {
    RunDirectory run = new RunDirectory(new Configuration(), folder.toString());
    try (MetricsLog log = new MetricsLog(run)) {
      log.startAfter(0);
      log.row("{\"step\":1}");
      assertEquals(List.of("{\"step\":1}"), onDisk());
      log.row("{\"step\":2}");
      log.row("{\"step\":3}");
      assertEquals(List.of("{\"step\":1}", "{\"step\":2}", "{\"step\":3}"), onDisk());
      log.startAfter(2); // back to a checkpoint
      assertEquals(List.of("{\"step\":1}", "{\"step\":2}"), onDisk());
      log.row("{\"step\":3,\"again\":1}");
    }
    assertEquals(List.of("{\"step\":1}", "{\"step\":2}", "{\"step\":3,\"again\":1}"), onDisk());
    assertEquals(3, run.metricsUpTo(3).size()); // no checksum of another file is in the way
  }
}
