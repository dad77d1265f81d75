package dev.sparrow.spark.job;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.LocalCluster;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.LongConsumer;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two executor JVMs of a real cluster; one is halted while it trains. */
class LostExecutorTest {
  @Test
  void trainingCompletesWithTheSameBitsWhenAnExecutorIsHalted(@TempDir Path directory)
      throws IOException {
    Path corpus = TinyRun.corpus(directory);
    Path undisturbed = directory.resolve("undisturbed");
    Path disturbed = directory.resolve("disturbed");
    Path halt = directory.resolve("halt");
    Followed followed = new Followed(haltAfter(10, halt));
    try (SparkSession spark = cluster(halt, TinyRun.config(corpus, undisturbed))) {
      // Batches large enough that the executor is gone long before the last step.
      String[] more = {
        "train.steps=45",
        "train.batch=64",
        "checkpoint.every=5",
        "data.shards=" + directory + "/shards"
      };
      new TrainJob(spark, TinyRun.config(corpus, undisturbed, more), new Followed())
          .run(TrainJob.Mode.NEW);
      new TrainJob(spark, TinyRun.config(corpus, disturbed, more), followed).run(TrainJob.Mode.NEW);
    }
    assertTrue(Files.exists(halt), "the executor was halted");
    assertTrue(
        followed.notes.stream().anyMatch(note -> note.startsWith("attempt 2 goes on after step")),
        followed.notes::toString);
    assertArrayEquals(model(undisturbed), model(disturbed));
    assertEquals(9, Files.readAllLines(disturbed.resolve("metrics.jsonl")).size());
  }

  private static LongConsumer haltAfter(long step, Path halt) {
    return reached -> {
      if (reached >= step && !Files.exists(halt)) {
        try {
          Files.createFile(halt);
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      }
    };
  }

  private static SparkSession cluster(Path halt, RunConfig config) throws IOException {
    return LocalCluster.open(
        "local-cluster[2,1,1024]",
        config,
        Map.of(
            "spark.plugins",
            HaltOneExecutor.class.getName(),
            HaltOneExecutor.FILE_KEY,
            halt.toString()));
  }

  private static byte[] model(Path run) throws IOException {
    return Files.readAllBytes(run.resolve("model/model.safetensors"));
  }
}
