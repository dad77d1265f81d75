package dev.sparrow.spark.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.bench.AllReduceBench;
import dev.sparrow.bench.BenchRow;
import dev.sparrow.bench.LmBench;
import dev.sparrow.bench.MoeBench;
import dev.sparrow.collective.RingSettings;
import dev.sparrow.config.ConfigParser;
import dev.sparrow.spark.bench.SampleText;
import dev.sparrow.spark.bench.ShardBench;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.text.TokenizerSpec;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.apache.commons.io.FileUtils;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code sparrow bench}. */
@Command(
    name = "bench",
    description = "Measures speed on this machine, against a baseline in the same run.",
    mixinStandardHelpOptions = true)
public final class BenchCommand implements Callable<Integer> {
  private static final int SHARD_CONTEXT = 256;
  private static final long MADE_UP_DOCUMENTS = 27_000;
  private static final int MADE_UP_PARTITIONS = 8;

  /** What can be measured. */
  enum Suite {
    LM,
    MOE,
    SHARD,
    ALLREDUCE
  }

  @Spec private CommandSpec command;

  @Parameters(arity = "1..*", paramLabel = "SUITE", description = "${COMPLETION-CANDIDATES}")
  private List<Suite> suites;

  @Option(names = "--json", paramLabel = "FILE", description = "Also write the rows as JSON.")
  private File json;

  @Option(
      names = "--peer",
      paramLabel = "FILE",
      description = {
        "What another framework reached on this machine, a line a case:",
        "NAME parameters N step MILLIS ms tokens/s N",
        "with the names gpt-small, gpt-medium, moe-uniform, moe-skewed."
      })
  private File peer;

  @Option(
      names = "--data",
      paramLabel = "PATH",
      description = "Text to shard, a file or folder; by default 64 MB that are made up.")
  private String data;

  @Option(
      names = "--runs",
      paramLabel = "N",
      defaultValue = "7",
      description = "Measurements behind each median (default ${DEFAULT-VALUE}).")
  private int runs;

  @Option(
      names = "--threads",
      paramLabel = "N",
      defaultValue = "0",
      description = "Threads of a rank; 0: all cores.")
  private int threads;

  @Override
  public Integer call() throws Exception {
    Console console = new Console(command);
    List<BenchRow> rows = new ArrayList<>();
    for (Suite suite : suites) {
      List<BenchRow> measured = measure(suite);
      console.benchmarks(measured);
      rows.addAll(measured);
    }
    if (json != null) {
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValue(json, rows);
    }
    return 0;
  }

  private List<BenchRow> measure(Suite suite) throws Exception {
    int cores = threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
    PeerFigures figures = peer == null ? PeerFigures.NONE : PeerFigures.read(peer.toPath());
    return switch (suite) {
      case LM -> new LmBench(cores, figures.tokensPerSecond()).run();
      case MOE -> moe(cores, figures);
      case SHARD -> shard();
      case ALLREDUCE -> allReduce();
    };
  }

  /** As ranks on one host do it, and over sockets, as ranks on two hosts would. */
  private List<BenchRow> allReduce() {
    List<BenchRow> rows = new ArrayList<>();
    for (boolean sharesMemory : new boolean[] {true, false}) {
      RingSettings settings = RingSettings.defaults().withShareMemory(sharesMemory);
      rows.addAll(new AllReduceBench(settings, runs).run(1, 4, 16, 64, 256));
    }
    return rows;
  }

  private List<BenchRow> moe(int cores, PeerFigures figures) {
    try (CpuBackend backend = new CpuBackend(cores)) {
      return new MoeBench(backend, runs, figures.moeMillis()).run();
    }
  }

  private List<BenchRow> shard() throws IOException {
    Path scratch = Files.createTempDirectory("sparrow-bench-shard");
    try (SparkSession spark = Sessions.open("bench", ConfigParser.defaults())) {
      SourceSpec source =
          data != null ? SourceSpec.files("text", "value", data) : madeUp(spark, scratch + "/text");
      return new ShardBench(spark, source, scratch + "/out", SHARD_CONTEXT, runs)
          .run(TokenizerSpec.bytes(), TokenizerSpec.gpt2());
    } finally {
      FileUtils.deleteDirectory(scratch.toFile());
    }
  }

  private static SourceSpec madeUp(SparkSession spark, String path) {
    SampleText.of(spark, MADE_UP_DOCUMENTS, MADE_UP_PARTITIONS).write().parquet(path);
    return SourceSpec.files("parquet", "text", path);
  }
}
