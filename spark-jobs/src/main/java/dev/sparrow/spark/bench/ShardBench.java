package dev.sparrow.spark.bench;

import dev.sparrow.bench.BenchRow;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.data.Sources;
import dev.sparrow.spark.shard.ShardDataset;
import dev.sparrow.spark.shard.ShardManifest;
import dev.sparrow.spark.shard.ShardSettings;
import dev.sparrow.spark.shard.SplitRule;
import dev.sparrow.spark.text.TextTokenizer;
import dev.sparrow.spark.text.TokenizerSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.DoubleBinaryOperator;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.InternalRow;

/**
 * Text to Arrow shards against Spark writing the same DataFrame to Parquet, alternating in one run.
 * Per tokenizer: seconds of sharding beside seconds of Parquet; the same beside the goal, 1.5 times
 * Parquet plus tokenisation (reading and encoding without writing, less reading alone); text bytes,
 * documents and tokens per second.
 */
public final class ShardBench {
  private static final String SUITE = "shard";
  private static final double GOAL = 1.5;

  private final SparkSession spark;
  private final SourceSpec source;
  private final String scratch;
  private final int context;
  private final int runs;

  /**
   * @param source of text
   * @param scratch directory for the outputs, which are overwritten
   */
  public ShardBench(SparkSession spark, SourceSpec source, String scratch, int context, int runs) {
    this.spark = spark;
    this.source = source;
    this.scratch = scratch;
    this.context = context;
    this.runs = runs;
  }

  /** Seconds of each run, taken side by side. */
  private record Seconds(double[] parquet, double[] read, double[] encode, double[] shard) {
    Seconds(int runs) {
      this(new double[runs], new double[runs], new double[runs], new double[runs]);
    }

    /** What the goal allows: {@code 1.5 · parquet + (encode - read)}. */
    double[] allowed() {
      double[] tokenise = combine(encode, read, (a, b) -> Math.max(0, a - b));
      return combine(parquet, tokenise, (p, t) -> GOAL * p + t);
    }
  }

  /** Rows for each tokenizer. */
  public List<BenchRow> run(TokenizerSpec... tokenizers) {
    List<BenchRow> rows = new ArrayList<>();
    for (TokenizerSpec tokenizer : tokenizers) {
      measure(tokenizer, rows);
    }
    return rows;
  }

  private void measure(TokenizerSpec spec, List<BenchRow> rows) {
    TextTokenizer tokenizer = spec.open(spark.sparkContext().hadoopConfiguration());
    ShardSettings settings =
        ShardSettings.of(scratch + "/shards", context, spec, SplitRule.byHash(0.01, 1))
            .withOverwrite(true);
    Seconds seconds = new Seconds(runs);
    long bytes = count(null);
    ShardManifest manifest = null;
    // Run -1 warms up.
    for (int run = -1; run < runs; run++) {
      long start = System.nanoTime();
      text().write().mode("overwrite").parquet(scratch + "/parquet");
      long written = System.nanoTime();
      count(null);
      long read = System.nanoTime();
      count(tokenizer);
      long encoded = System.nanoTime();
      manifest = new ShardDataset(spark, settings).run(source);
      long sharded = System.nanoTime();
      if (run >= 0) {
        seconds.parquet()[run] = (written - start) * 1e-9;
        seconds.read()[run] = (read - written) * 1e-9;
        seconds.encode()[run] = (encoded - read) * 1e-9;
        seconds.shard()[run] = (sharded - encoded) * 1e-9;
      }
    }
    addRows(spec.kind(), seconds, bytes, manifest, rows);
  }

  private void addRows(
      String name, Seconds seconds, long bytes, ShardManifest manifest, List<BenchRow> rows) {
    double documents =
        manifest.tokens().train().documents() + manifest.tokens().validation().documents();
    double tokens = manifest.tokens().train().tokens() + manifest.tokens().validation().tokens();
    double[] shard = seconds.shard();
    rows.add(time(name, "seconds_beside_parquet", shard, seconds.parquet()));
    rows.add(time(name, "seconds_beside_goal", shard, seconds.allowed()));
    double parquetBytes = bytes * 1e-6 / BenchRow.median(seconds.parquet());
    rows.add(rate(name, "text_bytes", "MB/s", bytes * 1e-6, shard, parquetBytes));
    rows.add(rate(name, "documents", "rows/s", documents, shard, null));
    rows.add(rate(name, "tokens", "tokens/s", tokens, shard, null));
  }

  /** Of times less is better, so that the ratio is the baseline over ours. */
  private static BenchRow time(String name, String metric, double[] values, double[] baseline) {
    double ours = BenchRow.median(values);
    double theirs = BenchRow.median(baseline);
    return new BenchRow(
        SUITE,
        name,
        metric,
        ours,
        "s",
        theirs,
        theirs / ours,
        values.length,
        Arrays.stream(values).min().orElseThrow(),
        Arrays.stream(values).max().orElseThrow(),
        BenchRow.cpu());
  }

  private static BenchRow rate(
      String name, String metric, String unit, double amount, double[] seconds, Double baseline) {
    double[] rates = Arrays.stream(seconds).map(s -> amount / s).toArray();
    return BenchRow.ofRate(SUITE, name, metric, unit, rates, baseline);
  }

  private static double[] combine(double[] a, double[] b, DoubleBinaryOperator f) {
    double[] result = new double[a.length];
    Arrays.setAll(result, i -> f.applyAsDouble(a[i], b[i]));
    return result;
  }

  private Dataset<Row> text() {
    return Sources.open(spark, source, Set.of(source.column())).select(source.column());
  }

  /** Bytes of all texts, or with a tokenizer their tokens; writes nothing. */
  private long count(TextTokenizer tokenizer) {
    JavaRDD<InternalRow> rows =
        ((org.apache.spark.sql.classic.Dataset<Row>) text()).queryExecution().toRdd().toJavaRDD();
    return rows.map(row -> amount(row, tokenizer)).fold(0L, Long::sum);
  }

  private static long amount(InternalRow row, TextTokenizer tokenizer) {
    if (row.isNullAt(0)) {
      return 0;
    }
    byte[] utf8 = row.getUTF8String(0).getBytes();
    return tokenizer == null ? utf8.length : tokenizer.encodeUtf8(utf8).length;
  }
}
