package dev.sparrow.spark.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/**
 * The page of a run: summary, curves of every figure, sparse layers, a sample, the settings.
 *
 * @param path the run directory
 * @param summary fields of summary.json
 * @param rows lines of metrics.jsonl
 * @param sample generated text; empty: none
 * @param config resolved settings
 * @param sparse uniformly sparse layers of the model; without any the page has no such part
 * @param lowRank layers of the model that have factors; the page has a part on them where there are
 *     some, or were stable ranks measured
 */
public record Report(
    String path,
    Map<String, Object> summary,
    List<String> rows,
    String sample,
    String config,
    List<SparseLayer> sparse,
    List<LowRankLayer> lowRank) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String SPARSITY = "/dev/sparrow/spark/report/sparsity.html";

  private static final String LOW_RANK = "/dev/sparrow/spark/report/lowrank.html";

  /** The page, Chart.js included. */
  public String html() {
    return resource("/dev/sparrow/spark/report/report.html")
        .replace("<!--SPARSITY-->\n", sparse.isEmpty() ? "" : resource(SPARSITY))
        .replace("<!--LOW_RANK-->\n", tellsOfRanks() ? resource(LOW_RANK) : "")
        .replace("/*CHART_JS*/", chartJs())
        .replace("/*RUN*/", run());
  }

  private boolean tellsOfRanks() {
    return !lowRank.isEmpty() || rows.stream().anyMatch(row -> row.contains("\"stable_rank\""));
  }

  /** The data as JSON that can stand inside a script element. */
  private String run() {
    ObjectNode run = JSON.createObjectNode();
    run.put("path", path);
    run.set("summary", JSON.valueToTree(summary));
    run.set("rows", JSON.createArrayNode().addAll(rows.stream().map(Report::parse).toList()));
    run.put("sample", sample);
    run.put("config", config);
    if (!sparse.isEmpty()) {
      run.set("sparse", JSON.valueToTree(sparse));
    }
    if (tellsOfRanks()) {
      run.set("lowRank", JSON.valueToTree(lowRank));
    }
    return run.toString().replace("<", "\\u003c");
  }

  private static JsonNode parse(String row) {
    try {
      return JSON.readTree(row);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("metrics row: expected JSON, got " + row, e);
    }
  }

  private static String chartJs() {
    return resource("/META-INF/resources/webjars/chart.js/" + version() + "/dist/chart.umd.min.js");
  }

  /** The webjar names its version in its Maven properties. */
  private static String version() {
    String properties = resource("/META-INF/maven/org.webjars.npm/chart.js/pom.properties");
    return properties
        .lines()
        .filter(line -> line.startsWith("version="))
        .map(line -> line.substring("version=".length()).strip())
        .findFirst()
        .orElseThrow();
  }

  private static String resource(String name) {
    try (InputStream in = Report.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new IllegalStateException("report: expected " + name + " on the class path");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
