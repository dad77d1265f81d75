package dev.sparrow.spark.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.CudaSettings;
import dev.sparrow.bench.AllReduceBench;
import dev.sparrow.bench.BenchDevice;
import dev.sparrow.bench.BenchRow;
import dev.sparrow.bench.LmBench;
import dev.sparrow.bench.MlpBench;
import dev.sparrow.bench.MlpRunBench;
import dev.sparrow.bench.MoeBench;
import dev.sparrow.bench.SpmmBench;
import dev.sparrow.collective.RingSettings;
import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.Train.BackendChoice;
import dev.sparrow.spark.bench.CuttlefishBench;
import dev.sparrow.spark.bench.CuttlefishPlan;
import dev.sparrow.spark.bench.CuttlefishSources;
import dev.sparrow.spark.bench.CuttlefishTask;
import dev.sparrow.spark.bench.PruningBench;
import dev.sparrow.spark.bench.SampleText;
import dev.sparrow.spark.bench.ShardBench;
import dev.sparrow.spark.bench.ShardFeed;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.job.RankBackend;
import dev.sparrow.spark.text.TokenizerSpec;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
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

  /** Some 5000 rows of GPT-2's context, more than its cases take. */
  private static final long FED_DOCUMENTS = 6_000;

  private static final int MADE_UP_PARTITIONS = 8;

  /** Steps are short: as many stand for a measurement of other suites. */
  private static final int MLP_STEPS = 5;

  /** What can be measured. */
  enum Suite {
    LM,
    MOE,
    SPMM,
    MLP,
    PRUNING,
    CUTTLEFISH,
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
      description = {
        "Of shard and lm, text, a file or folder; by default some that is made up, 64 MB for shard.",
        "Of pruning and cuttlefish, a folder with CIFAR-10 as Parquet in train and test."
      })
  private String data;

  @Option(
      names = "--text",
      paramLabel = "FOLDER",
      description = "Of cuttlefish, a folder with valid.txt, which is trained on, and test.txt.")
  private String text;

  @Option(
      names = "--tasks",
      paramLabel = "TASK",
      split = ",",
      description = {
        "What cuttlefish trains, of ${COMPLETION-CANDIDATES}: by default all but resnet18, which is",
        "what it trains on a GPU; mlp,gpt where reduced."
      })
  private List<CuttlefishTask> tasks = List.of();

  @Option(
      names = "--seeds",
      paramLabel = "N",
      description = {
        "Of cuttlefish, seeds from 1 on: by default 3, 1 on a GPU and where reduced. Runs that were",
        "finished under another number serve this one."
      })
  private Integer seeds;

  @Option(
      names = "--work",
      paramLabel = "FOLDER",
      description = {
        "Where pruning and cuttlefish keep shards and finished runs (default runs/bench-SUITE):",
        "called again, they go on where they were cut off."
      })
  private File work;

  @Option(
      names = "--reduced",
      description = "Of pruning and cuttlefish, one seed and two settings: a few minutes.")
  private boolean reduced;

  @Option(
      names = "--backend",
      paramLabel = "BACKEND",
      defaultValue = "auto",
      description = {
        "What lm, mlp, moe and cuttlefish run on: ${COMPLETION-CANDIDATES}. auto (the default) is the GPU that Spark",
        "gave the driver, the CPU where it gave none. Each kind has cases of a size of its own."
      })
  private BackendChoice backend;

  @Option(
      names = "--gpu",
      paramLabel = "ADDRESS",
      description = "The GPU of --backend cuda, an ordinal or GPU-<uuid>; by default the first.")
  private String gpu;

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
      description = "Threads on the CPU; 0: all cores.")
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
    return switch (suite) {
      case LM -> lm();
      case MOE -> moe();
      case SPMM -> spmm();
      case MLP -> mlp();
      case PRUNING -> pruning();
      case CUTTLEFISH -> cuttlefish();
      case SHARD -> shard();
      case ALLREDUCE -> allReduce();
    };
  }

  /** On a GPU also fed from shards: a CPU reads its batches in no time beside its steps. */
  private List<BenchRow> lm() throws Exception {
    try (Backend opened = open()) {
      BenchDevice device = BenchDevice.of(opened);
      LmBench bench = new LmBench(device, peers().tokensPerSecond());
      return device.queues() ? fed(bench) : bench.run();
    }
  }

  private List<BenchRow> fed(LmBench bench) throws IOException {
    return withText(
        FED_DOCUMENTS,
        (spark, source, scratch) ->
            bench.fedBy(new ShardFeed(spark, source, scratch, TokenizerSpec.gpt2())).run());
  }

  private List<BenchRow> moe() throws Exception {
    try (Backend opened = open()) {
      return new MoeBench(BenchDevice.of(opened), runs, peers().moeMillis()).run();
    }
  }

  private List<BenchRow> mlp() throws Exception {
    try (Backend opened = open()) {
      BenchDevice device = BenchDevice.of(opened);
      List<BenchRow> rows = new ArrayList<>(new MlpBench(device, MLP_STEPS * runs).run());
      rows.addAll(new MlpRunBench(device).run());
      return rows;
    }
  }

  private List<BenchRow> pruning() throws IOException {
    if (data == null) {
      throw new IllegalArgumentException(
          "bench pruning: expected --data FOLDER with CIFAR-10 as Parquet in FOLDER/train and FOLDER/test (columns image and label), got none");
    }
    Console console = new Console(command);
    Optional<String> none = Optional.empty();
    try (SparkSession spark = Sessions.open("bench", ConfigParser.defaults());
        Backend opened =
            RankBackend.onDriver(BackendChoice.CPU, CudaSettings.DEFAULT, none, cores())) {
      return new PruningBench(spark, opened, work("pruning"), console::text)
          .run(data + "/train", data + "/test", reduced);
    }
  }

  private List<BenchRow> cuttlefish() throws Exception {
    Console console = new Console(command);
    CuttlefishSources sources = new CuttlefishSources(data, text);
    try (Backend opened = open()) {
      CuttlefishPlan usual = CuttlefishPlan.of(BenchDevice.of(opened).queues(), reduced, tasks);
      CuttlefishPlan plan = seeds == null ? usual : usual.withSeeds(seeds);
      sources.require(plan.tasks());
      try (SparkSession spark = Sessions.open("bench", ConfigParser.defaults())) {
        return new CuttlefishBench(spark, opened, work("cuttlefish"), console::text)
            .run(plan, sources);
      }
    }
  }

  private Path work(String suite) {
    return work == null ? Path.of("runs/bench-" + suite) : work.toPath();
  }

  private Backend open() throws Exception {
    if (backend == BackendChoice.CPU && gpu != null) {
      throw new IllegalArgumentException(
          "--gpu: expected with --backend cuda or auto, got it with cpu; leave one of them out");
    }
    Optional<String> address = Optional.ofNullable(gpu);
    if (backend != BackendChoice.CPU && address.isEmpty()) {
      address = DriverGpu.address("bench", ConfigParser.defaults());
    }
    boolean assigned = backend == BackendChoice.AUTO && address.isPresent();
    BackendChoice choice = assigned ? BackendChoice.CUDA : backend;
    return RankBackend.onDriver(choice, CudaSettings.DEFAULT, address, cores());
  }

  private int cores() {
    return threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
  }

  private PeerFigures peers() throws IOException {
    return peer == null ? PeerFigures.NONE : PeerFigures.read(peer.toPath());
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

  private List<BenchRow> shard() throws IOException {
    return withText(
        MADE_UP_DOCUMENTS,
        (spark, source, scratch) ->
            new ShardBench(spark, source, scratch, SHARD_CONTEXT, runs)
                .run(TokenizerSpec.bytes(), TokenizerSpec.gpt2()));
  }

  private List<BenchRow> spmm() {
    Optional<String> none = Optional.empty();
    try (Backend opened =
        RankBackend.onDriver(BackendChoice.CPU, CudaSettings.DEFAULT, none, cores())) {
      return new SpmmBench(opened, runs).run();
    }
  }

  /** What is measured with text at hand. */
  private interface OnText {
    /**
     * @param scratch a folder for outputs
     */
    List<BenchRow> run(SparkSession spark, SourceSpec source, String scratch);
  }

  /** On the user's text, else on so many documents of made-up one. */
  private List<BenchRow> withText(long documents, OnText bench) throws IOException {
    Path scratch = Files.createTempDirectory("sparrow-bench");
    try (SparkSession spark = Sessions.open("bench", ConfigParser.defaults())) {
      SourceSpec source =
          data != null
              ? SourceSpec.files("text", "value", data)
              : madeUp(spark, documents, scratch + "/text");
      return bench.run(spark, source, scratch + "/out");
    } finally {
      FileUtils.deleteDirectory(scratch.toFile());
    }
  }

  private static SourceSpec madeUp(SparkSession spark, long documents, String path) {
    SampleText.of(spark, documents, MADE_UP_PARTITIONS).write().parquet(path);
    return SourceSpec.files("parquet", "text", path);
  }
}
