package dev.sparrow.spark.job;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sparrow.checkpoint.HostTensor;
import dev.sparrow.checkpoint.LocalFileStore;
import dev.sparrow.checkpoint.ModelFile;
import dev.sparrow.spark.LocalSpark;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The part of report.html on sparse layers, against the model that the run left. */
class SparsityReportTest {
  private static final SparkSession SPARK = LocalSpark.session();

  @TempDir Path directory;

  private String report(String... settings) throws IOException {
    Path corpus = TinyRun.corpus(directory);
    Path output = directory.resolve("run");
    new TrainJob(SPARK, TinyRun.config(corpus, output, settings), new Followed())
        .run(TrainJob.Mode.NEW);
    return Files.readString(output.resolve("report.html"));
  }

  /** The data of the page, a line of its script. */
  private static JsonNode data(String page) throws IOException {
    String start = "const run = ";
    String line = page.lines().filter(l -> l.startsWith(start)).findFirst().orElseThrow();
    return new ObjectMapper().readTree(line.substring(start.length(), line.length() - 1));
  }

  @Test
  void figuresAreThoseOfTheSavedPattern() throws IOException {
    String page =
        report(
            "method.name=uniform",
            "uniform.schedule=rigl",
            "uniform.sparsity=0.9",
            "uniform.ablation=0.5",
            "uniform.update-every=2",
            "uniform.end-step=10",
            "train.steps=12",
            "train.log-every=4");
    JsonNode run = data(page);
    assertEquals(3, run.get("rows").size());
    assertEquals(0.9, run.get("rows").get(2).get("sparsity").asDouble(), 0.02);
    Map<String, int[]> saved = new HashMap<>();
    String model = directory.resolve("run/model/model.safetensors").toString();
    for (HostTensor tensor : new ModelFile(new LocalFileStore(), model).tensors()) {
      if (tensor.array() instanceof int[] integers) {
        saved.put(tensor.name(), integers);
      }
    }
    JsonNode layers = run.get("sparse");
    assertEquals(8, layers.size());
    int off = 0;
    for (JsonNode layer : layers) {
      String name = layer.get("name").asText();
      off += requireFigures(layer, saved.get(name + ".columns"), saved.get(name + ".groups"));
    }
    assertTrue(off > 0, "expected rows that are off");
    assertTrue(page.contains("<h2>Sparse layers</h2>"));
    assertFalse(page.contains("src=\"http"), "renders without a network");
  }

  /** Gives the rows that are off; widths are 32 or 128, so that the image has a cell an element. */
  private static int requireFigures(JsonNode layer, int[] indices, int[] live) {
    String name = layer.get("name").asText();
    int rows = layer.get("rows").asInt();
    int columns = layer.get("columns").asInt();
    int fanIn = indices.length / live.length;
    assertEquals(name.endsWith("down.weight") ? 128 : 32, columns, name);
    assertEquals(fanIn, layer.get("fanIn").asInt(), name);
    assertEquals(live.length, layer.get("liveRows").asInt(), name);
    double zeros = 1 - (double) indices.length / ((long) rows * columns);
    assertEquals(zeros, layer.get("sparsity").asDouble(), 1e-12, name);
    assertBin(layer.get("fanIns"), fanIn, live.length);
    if (live.length < rows) {
      assertBin(layer.get("fanIns"), 0, rows - live.length);
    }
    int[] fanOuts = new int[columns];
    byte[] image = new byte[rows * columns];
    for (int i = 0; i < indices.length; i++) {
      fanOuts[indices[i]]++;
      image[live[i / fanIn] * columns + indices[i]] = (byte) 255;
    }
    Map<Integer, Integer> columnsOf = new HashMap<>();
    for (int count : fanOuts) {
      columnsOf.merge(count, 1, Integer::sum);
    }
    columnsOf.forEach((count, number) -> assertBin(layer.get("fanOuts"), count, number));
    if (rows <= 128) {
      String expected = java.util.Base64.getEncoder().encodeToString(image);
      assertEquals(expected, layer.get("image").get("cells").asText(), name);
    }
    return rows - live.length;
  }

  /** These histograms are short: a bin a number. */
  private static void assertBin(JsonNode histogram, int number, int expected) {
    assertEquals(1, histogram.get("width").asInt());
    int bin = number - histogram.get("first").asInt();
    assertEquals(expected, histogram.get("counts").get(bin).asInt(), "of " + number);
  }

  @Test
  void aRunWithoutSparseWeightsHasNoSuchPart() throws IOException {
    String page = report("method.name=dense", "train.steps=2");
    assertFalse(page.contains("Sparse layers"));
    assertFalse(page.contains("SPARSITY"));
    assertFalse(page.contains("Low-rank layers"));
    assertFalse(page.contains("LOW_RANK"));
    assertFalse(data(page).has("sparse"));
  }

  /** Watched for four steps, factorized by the fifth. */
  @Test
  void lowRankLayersAreThoseOfTheSavedModel() throws IOException {
    String page =
        report(
            "method.name=cuttlefish",
            "cuttlefish.every=1",
            "cuttlefish.latest=0.5",
            "cuttlefish.min-speed-up=0",
            "schedule.warmup-steps=1",
            "train.steps=10",
            "train.log-every=1");
    JsonNode run = data(page);
    JsonNode layers = run.get("lowRank");
    assertTrue(layers.size() > 0);
    assertEquals(layers.size(), run.get("rows").get(9).get("low_rank_layers").asInt());
    for (JsonNode layer : layers) {
      String name = layer.get("name").asText();
      String figure = name.substring(0, name.length() - ".weight".length());
      int rank = layer.get("rank").asInt();
      assertEquals(rank, run.get("rows").get(9).get("rank." + figure).asInt());
      int sides = layer.get("out").asInt() + layer.get("in").asInt();
      assertEquals(rank * sides, layer.get("parameters").asInt());
      assertTrue(layer.get("parametersBefore").asInt() > layer.get("parameters").asInt());
      assertTrue(run.get("rows").get(3).has("stable_rank." + figure));
      assertFalse(run.get("rows").get(9).has("stable_rank." + figure));
    }
    assertTrue(page.contains("<h2>Low-rank layers</h2>"));
    assertFalse(page.contains("src=\"http"), "renders without a network");
  }
}
