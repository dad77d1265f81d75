package dev.sparrow.spark.bench;

import dev.sparrow.backend.Backend;
import dev.sparrow.bench.BenchRow;
import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.job.LocalTraining;
import dev.sparrow.spark.job.ShardJob;
import dev.sparrow.spark.text.Digests;
import dev.sparrow.train.TrainSummary;
import java.io.IOException;
import java.nio.file.Path;
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
  private static final Recipe RECIPE = Recipe.of("pruning.conf");

  /** Long enough for loops to be compiled. */
  private static final int TRIAL_STEPS = 150;

  private final SparkSession spark;
  private final Backend backend;
  private final Path work;
  private final Consumer<String> told;

  /**
   * @param work folder for shards and finished runs
   * @param told lines of progress
   */
  public PruningBench(SparkSession spark, Backend backend, Path work, Consumer<String> told) {
    this.spark = spark;
    this.backend = backend;
    this.work = work;
    this.told = told;
  }

  /**
   * @param train Parquet of training images, columns image and label
   * @param test likewise
   * @param reduced one seed and two settings
   */
  public List<BenchRow> run(String train, String test, boolean reduced) throws IOException {
    ShardJob.Shards shards = shards(train, "train", "data.validation-fraction=0.1");
    ShardJob.Shards tests = shards(test, "test", "data.validation-fraction=1");
    long epochSteps = shards.manifest().train().rows() / RECIPE.with(List.of()).train().batch();
    List<PruningCase> cases = reduced ? PruningCase.reduced() : PruningCase.all();
    SeedRuns<PruningCase, PruningRun> runs = new SeedRuns<>(cases, reduced ? 1 : SEEDS);
    runs.finish(
        new RunLog<>(work.resolve("runs.jsonl"), PruningRun.class),
        new Training(shards, tests, EPOCHS * epochSteps),
        told);
    PruningTable table = new PruningTable(cases, runs);
    table.markdown().forEach(told);
    return table.rows(SUITE);
  }

  private ShardJob.Shards shards(String path, String name, String fraction) {
    List<String> settings =
        List.of("data.path=" + path, "data.shards=" + work.resolve(name), fraction);
    return new ShardJob(spark, RECIPE.with(settings)).run(false);
  }

  /** Runs of so many steps. */
  private final class Training implements SeedRuns.Work<PruningCase, PruningRun> {
    private final LocalTraining training =
        new LocalTraining(spark.sparkContext().hadoopConfiguration(), backend);
    private final ShardJob.Shards shards;
    private final ShardJob.Shards tests;
    private final long steps;

    Training(ShardJob.Shards shards, ShardJob.Shards tests, long steps) {
      this.shards = shards;
      this.tests = tests;
      this.steps = steps;
    }

    private RunConfig config(PruningCase which, long seed, long most) {
      List<String> settings = new ArrayList<>(which.settings());
      settings.add("train.seed=" + seed);
      settings.add("train.steps=" + most);
      settings.add("uniform.begin-step=" + Math.max(1, most / EPOCHS));
      return RECIPE.with(settings);
    }

    @Override
    public String settings(SeedRuns.Cell<PruningCase> cell) {
      String data = shards.manifest().contentHash() + tests.manifest().contentHash();
      return Digests.sha256(config(cell.which(), cell.seed(), steps).text() + data);
    }

    @Override
    public double trial(PruningCase which) {
      RunConfig config = config(PruningCase.DENSE, 0, Math.min(steps, TRIAL_STEPS));
      TrainSummary summary = training.train(config, shards, row -> {});
      return steps * config.train().batch() / summary.unitsPerSecond();
    }

    @Override
    public PruningRun run(SeedRuns.Cell<PruningCase> cell, String settings) {
      long start = System.nanoTime();
      RunConfig config = config(cell.which(), cell.seed(), steps);
      LocalTraining.Result result = training.trainAndTest(config, shards, tests, row -> {});
      return new PruningRun(
          cell.which().name(),
          cell.seed(),
          settings,
          result.summary().confusion().accuracy(),
          result.test().accuracy(),
          (System.nanoTime() - start) / 1e9);
    }

    @Override
    public String words(PruningCase which, PruningRun run) {
      return String.format(
          Locale.ROOT, "validation %.2f%%  test %.2f%%", 100 * run.validation(), 100 * run.test());
    }
  }
}
