package dev.sparrow.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sparrow.spark.job.ImageRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A classifier from images in Parquet to predictions, by the command line. */
class ImageClassificationTest {
  private static final Map<String, String> SPARK =
      Map.of(
          "spark.master", "local[2]",
          "spark.driver.host", "localhost",
          "spark.driver.bindAddress", "127.0.0.1");

  @TempDir private static Path shared;
  private static Path images;
  private static Path test;

  /** A finished run; tests read it. */
  private static Path run;

  private static CommandRun trained;

  @BeforeAll
  static void trainOnce() {
    images = ImageRun.images(LocalSpark.session(), shared.resolve("images"), 400, 1);
    test = ImageRun.images(LocalSpark.session(), shared.resolve("test"), 90, 2);
    LocalSpark.stop();
    SPARK.forEach(System::setProperty);
    run = shared.resolve("run");
    trained = train(run).succeeded();
  }

  @AfterAll
  static void clear() {
    SPARK.keySet().forEach(System::clearProperty);
  }

  private static CommandRun train(Path output, String... more) {
    List<String> arguments = new ArrayList<>(List.of("train"));
    arguments.addAll(ImageRun.assignments(images, output, more));
    return CommandRun.of(arguments);
  }

  private static JsonNode summary() throws IOException {
    return new ObjectMapper().readTree(run.resolve("summary.json").toFile());
  }

  @Test
  void trainingReachesHighAccuracyAndTellsIt() throws IOException {
    double accuracy = summary().get("validation_accuracy").asDouble();
    assertTrue(accuracy > 0.9, "accuracy " + accuracy);
    assertTrue(trained.out().contains("samples/s"), trained.out());
    assertTrue(
        trained.out().contains(String.format(Locale.ROOT, "validation   accuracy %.4f", accuracy)),
        trained.out());
    assertEquals(3, summary().get("confusion").size());
    List<String> rows = Files.readAllLines(run.resolve("metrics.jsonl"));
    assertEquals(2, rows.stream().filter(row -> row.contains("validation_accuracy")).count());
    String report = Files.readString(run.resolve("report.html"));
    assertTrue(report.contains("\"classes\":[\"left\",\"right\",\"top\"]"));
  }

  @Test
  void evaluationRepeatsTheRunsAccuracyAndConfusion() throws IOException {
    CommandRun evaluated = CommandRun.of(List.of("evaluate", run.toString())).succeeded();
    String accuracy =
        String.format(
            Locale.ROOT, "accuracy %.4f", summary().get("validation_accuracy").asDouble());
    assertTrue(evaluated.out().contains(accuracy), evaluated.out());
    int row = 0;
    for (String name : List.of("left", "right", "top")) {
      StringBuilder line = new StringBuilder(name);
      summary().get("confusion").get(row++).forEach(count -> line.append("\\s+").append(count));
      assertTrue(
          evaluated.out().lines().anyMatch(text -> text.matches(line.toString())),
          line + " in " + evaluated.out());
    }
  }

  @Test
  void aTestSetIsEvaluatedWholeAndPredictionsAgreeWithIt() throws IOException {
    CommandRun evaluated =
        CommandRun.of(
                List.of(
                    "evaluate", run.toString(), "data.path=" + test, "data.validation-fraction=1"))
            .succeeded();
    assertTrue(evaluated.out().contains("90 images"), evaluated.out());
    Path out = shared.resolve("predictions");
    CommandRun.of(
            List.of(
                "predict",
                run.toString(),
                out.toString(),
                "data.path=" + test,
                "--format=json",
                "--columns=name,class"))
        .succeeded();
    List<JsonNode> rows = jsonRows(out);
    assertEquals(90, rows.size());
    assertEquals(90, rows.stream().map(row -> row.get("name").asText()).distinct().count());
    long right =
        rows.stream().filter(row -> row.get("class").equals(row.get("predicted_class"))).count();
    String accuracy = String.format(Locale.ROOT, "accuracy %.4f", right / 90.0);
    assertTrue(evaluated.out().contains(accuracy), accuracy + " in " + evaluated.out());
    for (JsonNode row : rows) {
      double sum = 0;
      double largest = 0;
      for (JsonNode probability : row.get("probabilities")) {
        sum += probability.asDouble();
        largest = Math.max(largest, probability.asDouble());
      }
      assertEquals(1, sum, 1e-5);
      assertEquals(largest, row.get("probability").asDouble());
    }
  }

  private static List<JsonNode> jsonRows(Path folder) throws IOException {
    List<JsonNode> rows = new ArrayList<>();
    try (var files = Files.list(folder)) {
      for (Path file : files.filter(f -> f.toString().endsWith(".json")).toList()) {
        for (String line : Files.readAllLines(file)) {
          rows.add(new ObjectMapper().readTree(line));
        }
      }
    }
    return rows;
  }

  @Test
  void predictionsKeepSingleValuesUnlessColumnsAreNamed() {
    Path out = shared.resolve("all");
    CommandRun.of(List.of("predict", run.toString(), out.toString(), "data.path=" + test))
        .succeeded();
    Row row = LocalSpark.session().read().parquet(out.toString()).first();
    LocalSpark.stop();
    assertEquals(
        List.of("class", "name", "predicted_class", "probability", "probabilities"),
        List.of(row.schema().fieldNames()));
    CommandRun.of(List.of("predict", run.toString(), out.toString(), "data.path=" + test))
        .failedWith(out.toString(), "exist");
  }

  @Test
  void rowsWithoutAnImageHaveNoPredictionAndCorruptOnesAreNamed() {
    StructType schema =
        new StructType().add("image", DataTypes.BinaryType).add("name", DataTypes.StringType);
    List<Row> rows = List.of(RowFactory.create(null, "none"));
    Path none = shared.resolve("none");
    LocalSpark.session().createDataFrame(rows, schema).write().parquet(none.toString());
    Path corrupt = shared.resolve("corrupt");
    List<Row> bytes = List.of(RowFactory.create(new byte[] {1, 2}, "bad"));
    LocalSpark.session().createDataFrame(bytes, schema).write().parquet(corrupt.toString());
    LocalSpark.stop();
    Path out = shared.resolve("of-none");
    CommandRun.of(List.of("predict", run.toString(), out.toString(), "data.path=" + none))
        .succeeded();
    Row row = LocalSpark.session().read().parquet(out.toString()).first();
    LocalSpark.stop();
    assertEquals("none", row.get(0));
    assertTrue(row.isNullAt(1) && row.isNullAt(2) && row.isNullAt(3), row.toString());
    CommandRun.of(
            List.of(
                "predict",
                run.toString(),
                shared.resolve("of-corrupt").toString(),
                "data.path=" + corrupt))
        .failedWith("column 'image'", "row 0", "begin with 01 02");
  }

  @Test
  void anExportedSparseClassifierIsUsedLikeItsRun() throws IOException {
    String sparse = shared.resolve("sparse").toString();
    train(
            Path.of(sparse),
            "data.path=" + run.resolve("shards"),
            "method.name=uniform",
            "uniform.layers=[\"layers.*\"]",
            "uniform.schedule=static",
            "uniform.sparsity=0.75",
            "uniform.products=sparse",
            "train.steps=20")
        .succeeded();
    assertTrue(Files.readString(Path.of(sparse, "report.html")).contains("<h2>Sparse layers</h2>"));
    String file = shared.resolve("exported/classifier.safetensors").toString();
    assertTrue(
        out("export", sparse, file, "--dtype=f32")
            .lines()
            .anyMatch(line -> line.matches("layers\\.0\\.weight .* 75\\.00% .*")));
    assertEquals(out("inspect", sparse), out("inspect", file));
    assertEquals(out("evaluate", sparse), out("evaluate", file));
    String[] other = {"data.path=" + test, "data.format=parquet", "data.validation-fraction=1"};
    assertEquals(out("evaluate", sparse, other), out("evaluate", file, other));
    assertEquals(predictions(sparse, "of-run", other), predictions(file, "of-file", other));
    CommandRun.of(List.of("generate", file)).failedWith(file, "expected a language model");
  }

  private static String out(String command, String model, String... more) {
    List<String> arguments = new ArrayList<>(List.of(command, model));
    arguments.addAll(List.of(more));
    return CommandRun.of(arguments).succeeded().out();
  }

  private static Set<String> predictions(String model, String folder, String... settings)
      throws IOException {
    Path out = shared.resolve(folder);
    List<String> arguments = new ArrayList<>(List.of("predict", model, out.toString()));
    arguments.addAll(List.of(settings));
    arguments.add("--format=json");
    CommandRun.of(arguments).succeeded();
    Set<String> rows = jsonRows(out).stream().map(JsonNode::toString).collect(Collectors.toSet());
    assertEquals(90, rows.size());
    return rows;
  }

  @Test
  void aVisionTransformerTrainsOnTheSameShards() throws IOException {
    Path output = shared.resolve("vit");
    CommandRun vit =
        train(
                output,
                "data.path=" + run.resolve("shards"),
                "model.kind=vit",
                "model.patch=4",
                "model.layers=1",
                "model.heads=2",
                "model.width=16",
                "train.steps=5")
            .succeeded();
    assertTrue(vit.out().contains("FLOP per image"), vit.out());
    CommandRun resumed =
        train(
            output,
            "--resume",
            "data.path=" + run.resolve("shards"),
            "model.kind=vit",
            "model.patch=4",
            "model.layers=1",
            "model.heads=2",
            "model.width=16",
            "train.steps=7");
    assertTrue(resumed.succeeded().out().contains("resumed after step 5"), resumed.out());
  }

  @Test
  void inspectTellsAClassifiersLayersPerImage() {
    String table = CommandRun.of(List.of("inspect", run.toString())).succeeded().out();
    int parameters = (8 * 8 * 3 + 1) * 32 + (32 + 1) * 3;
    assertTrue(
        table.contains(
            String.format(Locale.ROOT, "%,d, of which an image meets %,d", parameters, parameters)),
        table);
    assertTrue(table.contains("images       8 x 8 x 3, 3 classes"), table);
    CommandRun.of(List.of("inspect", "model.kind=mlp")).failedWith("run `shard` first");
  }

  @Test
  void whatClassifiersCannotDoIsTold() {
    CommandRun.of(List.of("generate", run.toString()))
        .failedWith("expected a language model", "classifies images", "predict");
    Path output = shared.resolve("refused");
    train(output, "data.validation-fraction=1")
        .failedWith("data.validation-fraction: expected less than 1 to train");
    train(output, "train.batch=1000").failedWith("train.batch", "images to train on", "got 1000");
    train(output, "model.kind=transformer", "data.path=" + run.resolve("shards"))
        .failedWith("expected tokens, as model.kind says, got images");
    assertFalse(Files.exists(output.resolve("model")));
    CommandRun.of(
            List.of(
                "evaluate",
                run.toString(),
                "data.path=" + test,
                "data.validation-fraction=1",
                "image.label-column=name"))
        .failedWith("column 'name': class 'image-", "is unknown", "known: left, right, top");
    Path named = shared.resolve("named");
    List<String> shard = new ArrayList<>(List.of("shard", "image.label-column=name"));
    ImageRun.assignments(images, output, "data.shards=" + named).stream()
        .filter(assignment -> !assignment.startsWith("image.label-column"))
        .forEach(shard::add);
    CommandRun.of(shard).succeeded();
    CommandRun.of(List.of("evaluate", run.toString(), "data.path=" + named))
        .failedWith("expected shards of the model's classes left, right, top, got 400: image-0");
    CommandRun.of(
            List.of(
                "predict",
                run.toString(),
                shared.resolve("small").toString(),
                "data.path=" + test,
                "image.height=4",
                "image.width=4"))
        .failedWith("row 0", "expected the model's", "image.height");
  }
}
