package dev.sparrow.spark.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.bench.BenchRow;
import dev.sparrow.spark.LocalSpark;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.text.TokenizerSpec;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShardBenchTest {
  @TempDir Path directory;

  @Test
  void figuresOfEveryTokenizerStandBesideTheirBaselines() {
    SparkSession spark = LocalSpark.session();
    String input = directory.resolve("input").toString();
    SampleText.of(spark, 200, 2).write().parquet(input);
    SourceSpec source = SourceSpec.files("parquet", "text", input);
    List<BenchRow> rows =
        new ShardBench(spark, source, directory.toString(), 64, 1)
            .run(TokenizerSpec.bytes(), TokenizerSpec.gpt2());
    assertEquals(10, rows.size());
    for (BenchRow row : rows) {
      assertTrue(row.value() > 0 && Double.isFinite(row.value()), row.toString());
    }
    BenchRow bytes = rows.get(2);
    assertEquals("text_bytes", bytes.metric());
    // One run: bytes per second of both are the inverse of their seconds.
    assertEquals(rows.get(0).ratio(), bytes.ratio(), 1e-9 * bytes.ratio());
    assertEquals(200, rows.get(3).value() * rows.get(0).value(), 1e-6);
  }
}
