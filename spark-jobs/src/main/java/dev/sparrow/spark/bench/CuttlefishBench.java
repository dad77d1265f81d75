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
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.spark.sql.SparkSession;

/**
 * What automatically low rank saves and costs: perceptron, ResNet, vision transformer and GPT at
 * full rank, at ranks found by the paper's rule and by this project's, and at fixed ones, over
 * several seeds. Validation is on held-out training rows, the test rows are looked at once, after
 * the last step. Finished runs are kept, so that a second call goes on where the first was cut off.
 */
public final class CuttlefishBench {
  private static final String SUITE = "cuttlefish";

  /** Of a run's steps, in a trial: so many that most of them run compiled loops. */
  private static final double TRIAL_SHARE = 0.05;

  private final SparkSession spark;
  private final Backend backend;
  private final Path work;
  private final Consumer<String> told;

  /**
   * @param work folder for shards and finished runs
   * @param told lines of progress, tables and verdicts
   */
  public CuttlefishBench(SparkSession spark, Backend backend, Path work, Consumer<String> told) {
    this.spark = spark;
    this.backend = backend;
    this.work = work;
    this.told = told;
  }

  /**
   * @param sources of all tasks ({@link CuttlefishSources#require})
   */
  public List<BenchRow> run(CuttlefishPlan plan, CuttlefishSources sources) throws IOException {
    Map<CuttlefishTask, TaskShards> shards = new EnumMap<>(CuttlefishTask.class);
    for (CuttlefishTask task : plan.tasks()) {
      shards.put(task, shards(task, sources));
    }
    SeedRuns<CuttlefishCase, CuttlefishRun> runs = new SeedRuns<>(plan.cases(), plan.seeds());
    runs.finish(
        new RunLog<>(work.resolve("runs.jsonl"), CuttlefishRun.class),
        new Training(plan.share(), shards),
        told);
    CuttlefishTable table = new CuttlefishTable(plan, runs);
    table.markdown().forEach(told);
    table.verdicts().forEach(told);
    return table.rows(SUITE).stream().map(row -> row.on(backend.description())).toList();
  }

  /** What a task learns from and is tested on; tasks of one kind share theirs. */
  private record TaskShards(ShardJob.Shards train, ShardJob.Shards test) {
    String digest() {
      return train.manifest().contentHash() + test.manifest().contentHash();
    }
  }

  private TaskShards shards(CuttlefishTask task, CuttlefishSources sources) {
    String kind = task.readsText() ? "text" : "images";
    return new TaskShards(
        shards(task, "data.path=" + sources.training(task), "data.shards=" + folder(kind, "train")),
        shards(
            task,
            "data.path=" + sources.test(task),
            "data.shards=" + folder(kind, "test"),
            "data.validation-fraction=1"));
  }

  private Path folder(String kind, String part) {
    return work.resolve(kind + "-" + part);
  }

  private ShardJob.Shards shards(CuttlefishTask task, String... settings) {
    return new ShardJob(spark, task.recipe().with(List.of(settings))).run(false);
  }

  private final class Training implements SeedRuns.Work<CuttlefishCase, CuttlefishRun> {
    private final LocalTraining training =
        new LocalTraining(spark.sparkContext().hadoopConfiguration(), backend);
    private final double share;
    private final Map<CuttlefishTask, TaskShards> shards;

    Training(double share, Map<CuttlefishTask, TaskShards> shards) {
      this.share = share;
      this.shards = shards;
    }

    /** Times are of a device: those of another are other runs. */
    @Override
    public String settings(SeedRuns.Cell<CuttlefishCase> cell) {
      return Digests.sha256(
          cell.which().config(cell.seed(), share).text()
              + shards.get(cell.which().task()).digest()
              + backend.description());
    }

    @Override
    public double trial(CuttlefishCase which) {
      CuttlefishCase full = new CuttlefishCase(which.task(), LowRankForm.FULL);
      RunConfig config = full.config(0, share * TRIAL_SHARE, "train.validation-sequences=1");
      List<Double> seconds = new ArrayList<>(); // of single steps, as recipes log each
      training.train(
          config,
          shards.get(which.task()).train(),
          row -> seconds.add(row.trained() / row.step() / row.unitsPerSecond()));
      double step = BenchRow.median(seconds.stream().mapToDouble(Double::doubleValue).toArray());
      return step * full.config(0, share).train().steps();
    }

    @Override
    public CuttlefishRun run(SeedRuns.Cell<CuttlefishCase> cell, String settings) {
      CuttlefishTask task = cell.which().task();
      RunConfig config = cell.which().config(cell.seed(), share);
      TaskShards data = shards.get(task);
      SwitchFigures figures = new SwitchFigures();
      LocalTraining.Result result =
          training.trainAndTest(config, data.train(), data.test(), figures);
      TrainSummary summary = result.summary();
      return new CuttlefishRun(
          cell.which().name(),
          cell.seed(),
          settings,
          task.quality().of(summary),
          task.quality().of(result.test()),
          summary.parameters(),
          figures.startParameters(),
          summary.wallSeconds() - summary.validationSeconds(),
          figures.detectorSeconds(),
          summary.steps(),
          figures.switchedAt(),
          figures.millisBefore(),
          figures.millisAfter(),
          figures.lowRankLayers(),
          figures.rankShare());
    }

    @Override
    public String words(CuttlefishCase which, CuttlefishRun run) {
      CuttlefishTask.Quality quality = which.task().quality();
      String switched =
          run.hasSwitched()
              ? String.format(
                  Locale.ROOT,
                  "switch at %d, %d layers of mean rank %.0f%%",
                  run.switchedAt(),
                  run.lowRankLayers(),
                  100 * run.rankShare())
              : "no switch";
      return String.format(
          Locale.ROOT,
          "validation %s  test %s  %,d parameters  %s",
          quality.text(run.validation()),
          quality.text(run.test()),
          run.parameters(),
          switched);
    }
  }
}
