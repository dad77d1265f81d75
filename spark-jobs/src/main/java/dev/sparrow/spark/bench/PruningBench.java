package dev.sparrow.spark.bench;

import dev.sparrow.backend.Backend;
import dev.sparrow.bench.BenchRow;
import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.job.LocalTraining;
import dev.sparrow.spark.job.ShardJob;
import dev.sparrow.spark.text.Digests;
import dev.sparrow.train.TrainSummary;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import org.apache.spark.sql.SparkSession;

/**
 * What sparsity costs in accuracy: a perceptron on CIFAR-10, dense and with patterns of growing
 * freedom, over several seeds. Validation is on held-out training rows, the test rows are looked at
 * once, after the last step. Finished runs are kept, so that a second call goes on where the first
 * was cut off.
 */
public final class PruningBench {
  private static final String SUITE = "pruning";
  private static final int EPOCHS = 8;
  private static final int SEEDS = 3;

  /** Long enough for loops to be compiled. */
  private static final int TRIAL_STEPS = 150;

  private final SparkSession spark;
  private final Backend backend;
  private final Path work;
  private final Consumer<String> told;
  private final String recipe;

  /**
   * @param work folder for shards and finished runs
   * @param told lines of progress
   */
  public PruningBench(SparkSession spark, Backend backend, Path work, Consumer<String> told) {
    this.spark = spark;
    this.backend = backend;
    this.work = work;
    this.told = told;
    this.recipe = recipe();
  }

  private static String recipe() {
    try (InputStream in = PruningBench.class.getResourceAsStream("pruning.conf")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new IllegalStateException("pruning.conf: " + e.getMessage(), e);
    }
  }

  /**
   * @param train Parquet of training images, columns image and label
   * @param test likewise
   * @param reduced one seed and two settings
   */
  public List<BenchRow> run(String train, String test, boolean reduced) throws IOException {
    ShardJob.Shards shards = shards(train, "train", "data.validation-fraction=0.1");
    ShardJob.Shards tests = shards(test, "test", "data.validation-fraction=1");
    int batch = ConfigParser.parse(recipe, "pruning.conf", List.of()).train().batch();
    long epochSteps = shards.manifest().train().rows() / batch;
    List<PruningCase> cases = reduced ? PruningCase.reduced() : PruningCase.all();
    PruningTable table = new PruningTable(cases, reduced ? 1 : SEEDS);
    finish(table, shards, tests, EPOCHS * epochSteps);
    table.markdown().forEach(told);
    return table.rows(SUITE);
  }

  private ShardJob.Shards shards(String path, String name, String fraction) {
    List<String> settings =
        List.of("data.path=" + path, "data.shards=" + work.resolve(name), fraction);
    return new ShardJob(spark, ConfigParser.parse(recipe, "pruning.conf", settings)).run(false);
  }

  private RunConfig config(PruningCase which, long seed, long steps) {
    List<String> settings = new ArrayList<>(which.settings());
    settings.add("train.seed=" + seed);
    settings.add("train.steps=" + steps);
    settings.add("uniform.begin-step=" + Math.max(1, steps / EPOCHS));
    return ConfigParser.parse(recipe, "pruning.conf", settings);
  }

  /** Runs what has not been run, and tells how long it will take. */
  private void finish(PruningTable table, ShardJob.Shards shards, ShardJob.Shards tests, long steps)
      throws IOException {
    RunLog<PruningRun> log = new RunLog<>(work.resolve("runs.jsonl"), PruningRun.class);
    LocalTraining training = new LocalTraining(spark.sparkContext().hadoopConfiguration(), backend);
    String data = shards.manifest().contentHash() + tests.manifest().contentHash();
    List<PruningTable.Cell> open = table.take(log.runs(), cell -> digest(cell, steps, data));
    if (open.isEmpty()) {
      return;
    }
    double seconds = trial(training, shards, steps);
    told.accept(
        "%d runs of %,d steps to do: about %s"
            .formatted(open.size(), steps, clock(open.size() * seconds)));
    for (int i = 0; i < open.size(); i++) {
      PruningTable.Cell cell = open.get(i);
      PruningRun run = run(training, cell, steps, shards, tests, digest(cell, steps, data));
      log.add(run);
      table.add(cell, run);
      seconds = i == 0 ? run.seconds() : 0.8 * seconds + 0.2 * run.seconds();
      told.accept(
          String.format(
              Locale.ROOT,
              "%-22s seed %d  validation %.2f%%  test %.2f%%  %.0f s  %s left",
              run.name(),
              run.seed(),
              100 * run.validation(),
              100 * run.test(),
              run.seconds(),
              clock((open.size() - i - 1) * seconds)));
    }
  }

  /** Seconds that a run will take, from a short one. */
  private double trial(LocalTraining training, ShardJob.Shards shards, long steps) {
    RunConfig config = config(PruningCase.DENSE, 0, Math.min(steps, TRIAL_STEPS));
    TrainSummary summary = training.train(config, shards);
    return steps * config.train().batch() / summary.unitsPerSecond();
  }

  private PruningRun run(
      LocalTraining training,
      PruningTable.Cell cell,
      long steps,
      ShardJob.Shards shards,
      ShardJob.Shards tests,
      String digest) {
    long start = System.nanoTime();
    LocalTraining.Result result =
        training.trainAndTest(config(cell.which(), cell.seed(), steps), shards, tests);
    return new PruningRun(
        cell.which().name(),
        cell.seed(),
        digest,
        result.summary().confusion().accuracy(),
        result.test().accuracy(),
        (System.nanoTime() - start) / 1e9);
  }

  private String digest(PruningTable.Cell cell, long steps, String data) {
    return Digests.sha256(config(cell.which(), cell.seed(), steps).text() + data);
  }

  private static String clock(double seconds) {
    Duration time = Duration.ofSeconds(Math.round(seconds));
    return String.format(
        Locale.ROOT, "%d:%02d:%02d", time.toHours(), time.toMinutesPart(), time.toSecondsPart());
  }
}
