package dev.sparrow.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * CIFAR-10 (Krizhevsky 2009) as JPEG files in Parquet: columns {@code image}, {@code class} (names)
 * and {@code label}. The 10,000 images of its test set alone, which is enough to learn something.
 */
class CifarTest {
  private static final Map<String, String> SPARK =
      Map.of(
          "spark.master", "local[2]",
          "spark.driver.host", "localhost",
          "spark.driver.bindAddress", "127.0.0.1");

  @TempDir Path directory;

  @BeforeEach
  void configure() {
    LocalSpark.stop();
    SPARK.forEach(System::setProperty);
  }

  @AfterEach
  void clear() {
    SPARK.keySet().forEach(System::clearProperty);
  }

  @Test
  void aPerceptronTellsTheClassesOfPhotographsBetterThanChance() throws IOException {
    Path images = PublicData.folder("cifar10").resolve("test");
    Path run = directory.resolve("run");
    CommandRun.of(
            List.of(
                "train",
                "data.path=" + images,
                "data.format=parquet",
                "data.validation-fraction=0.2",
                "image.label-column=class",
                "model.kind=mlp",
                "model.hidden-layers=[256]",
                "model.activation=relu",
                "train.steps=200",
                "train.batch=64",
                "train.log-every=50",
                "cluster.ranks=2",
                "output.path=" + run))
        .succeeded();
    JsonNode content = json(run.resolve("shards/manifest.json")).get("content").get("images");
    assertEquals(
        List.of(
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck"),
        new ObjectMapper().convertValue(content.get("classes"), List.class));
    // Published moments of the training set; those of the test set differ by less than 0.005.
    double[] mean = {0.4914, 0.4822, 0.4465};
    double[] deviation = {0.2470, 0.2435, 0.2616};
    for (int c = 0; c < 3; c++) {
      assertEquals(mean[c], content.get("mean").get(c).asDouble(), 0.01);
      assertEquals(deviation[c], content.get("deviation").get(c).asDouble(), 0.01);
      assertEquals(
          1000,
          content.get("trainLabels").get(c).asInt()
              + content.get("validationLabels").get(c).asInt());
    }
    double accuracy = json(run.resolve("summary.json")).get("validation_accuracy").asDouble();
    assertTrue(accuracy > 0.3, "accuracy " + accuracy);
  }

  private static JsonNode json(Path file) throws IOException {
    return new ObjectMapper().readTree(file.toFile());
  }
}
