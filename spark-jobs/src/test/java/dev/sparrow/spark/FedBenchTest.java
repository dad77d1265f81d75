package dev.sparrow.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.CudaSettings;
import dev.sparrow.bench.BenchDevice;
import dev.sparrow.bench.FlopUnit;
import dev.sparrow.bench.LmBench;
import dev.sparrow.bench.LmCase;
import dev.sparrow.bench.ProductRate;
import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.ModelShape;
import dev.sparrow.config.Train.BackendChoice;
import dev.sparrow.spark.bench.SampleText;
import dev.sparrow.spark.bench.ShardFeed;
import dev.sparrow.spark.cli.Sessions;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.job.RankBackend;
import dev.sparrow.spark.text.TokenizerSpec;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Steps on a GPU, an emulated one, fed from Arrow shards; figures mean nothing. */
class FedBenchTest {
  @TempDir Path directory;

  @Test
  void stepsFromShardsStandBesideStepsOnAFixedBatch() throws Exception {
    Path json = directory.resolve("rows.json");
    List<String> arguments = List.of(directory.resolve("scratch").toString(), json.toString());
    GpuJvm.run(directory, Main.class, List.of("-Dspark.master=local[1]"), arguments).succeeded();
    JsonNode rows = new ObjectMapper().readTree(json.toFile());
    List<String> metrics = new ArrayList<>();
    rows.forEach(row -> metrics.add(row.get("metric").asText()));
    assertEquals(
        List.of("tokens", "matmul_of_nothing", "tokens_of_fixed_batch", "data_wait"), metrics);
    assertEquals(rows.get(0).get("value"), rows.get(2).get("baseline"));
    double share = rows.get(3).get("value").asDouble();
    assertTrue(share > 0 && share < 1, rows::toString);
    assertTrue(rows.get(3).get("device").asText().startsWith("Emulated GPU"), rows::toString);
  }

  /** Given a folder for shards and a file for the rows. */
  static final class Main {
    private Main() {}

    public static void main(String[] arguments) throws Exception {
      String scratch = arguments[0];
      try (SparkSession spark = Sessions.open("bench", ConfigParser.defaults());
          Backend backend =
              RankBackend.onDriver(BackendChoice.CUDA, CudaSettings.DEFAULT, Optional.empty(), 1)) {
        SampleText.of(spark, 10, 1).write().parquet(scratch + "/text");
        SourceSpec source = SourceSpec.files("parquet", "text", scratch + "/text");
        BenchDevice device =
            BenchDevice.of(backend).with(new NoProduct(), List.of(tiny()), List.of());
        LmBench bench =
            new LmBench(device, Map.of())
                .fedBy(new ShardFeed(spark, source, scratch, TokenizerSpec.bytes()));
        new ObjectMapper().writeValue(Path.of(arguments[1]).toFile(), bench.run());
      }
    }

    private static LmCase tiny() {
      ModelShape shape =
          ConfigParser.parse(
                  "",
                  "tiny",
                  List.of(
                      "data.path=none",
                      "output.path=none",
                      "model.layers=1",
                      "model.heads=2",
                      "model.width=16",
                      "model.context=8",
                      "model.dropout=0.0"))
              .model();
      return new LmCase("tiny", shape, null, null, TINY_VOCABULARY, 2, 2, 5);
    }

    private static final int TINY_VOCABULARY = 300; // more than the ids of bytes
  }

  /** In place of products that an emulated GPU would take hours for. */
  private record NoProduct() implements ProductRate {
    @Override
    public String name() {
      return "nothing";
    }

    @Override
    public FlopUnit unit() {
      return FlopUnit.TERA;
    }

    @Override
    public double measure() {
      return 1;
    }
  }
}
