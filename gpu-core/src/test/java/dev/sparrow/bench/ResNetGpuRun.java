package dev.sparrow.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.CudaSettings;
import dev.sparrow.backend.cuda.CudaBackend;
import dev.sparrow.backend.cuda.TestGpu;
import dev.sparrow.collective.Collective;
import dev.sparrow.collective.DeviceCollective;
import dev.sparrow.collective.LocalCollective;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.BatchSource;
import dev.sparrow.data.EpochsInMemory;
import dev.sparrow.data.ImageRows;
import dev.sparrow.data.ImageTransform;
import dev.sparrow.data.SweepInMemory;
import dev.sparrow.model.Model;
import dev.sparrow.model.Models;
import dev.sparrow.nn.Workspace;
import dev.sparrow.optim.LearningRateSchedule;
import dev.sparrow.sparsity.Method;
import dev.sparrow.train.Evaluator;
import dev.sparrow.train.MetricsSink;
import dev.sparrow.train.Replica;
import dev.sparrow.train.TrainSummary;
import dev.sparrow.train.Trainer;
import dev.sparrow.train.TrainerParts;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * ResNet-18 on CIFAR-10 on GPU 0 where there is no Spark: what {@code sparrow bench cuttlefish
 * --backend cuda} measures, from files in CIFAR-10's binary layout. Full rank and low rank are
 * trained one after the other, with the same seed, order of images and schedule. The last tenth of
 * the training images is held out; the test images are looked at once, after the last step.
 */
final class ResNetGpuRun {
  private static final int HELD_OUT_PART = 10;

  /** Of the run that nobody times: host code compiled, kernels loaded, clocks up. */
  private static final int WARM_UP_STEPS = 30;

  private static final int MOST_THREADS = 8;

  private final Backend backend;
  private final ResNetOptions options;
  private final CifarImages train;
  private final CifarImages validation;
  private final CifarImages test;
  private final CifarImages.Moments moments;
  private final int threads;
  private final Consumer<String> told;

  /**
   * @param threads that fill batches
   * @param told lines of progress
   */
  ResNetGpuRun(Backend backend, ResNetOptions options, int threads, Consumer<String> told)
      throws IOException {
    CifarImages all = CifarImages.read(options.data().resolve("train.bin"));
    int kept = all.count() - all.count() / HELD_OUT_PART;
    this.backend = backend;
    this.options = options;
    this.train = all.rows(0, kept);
    this.validation = all.rows(kept, all.count());
    this.test = CifarImages.read(options.data().resolve("test.bin"));
    this.moments = train.moments();
    this.threads = threads;
    this.told = told;
  }

  /**
   * @param arguments {@link ResNetOptions#USAGE}
   */
  public static void main(String[] arguments) throws IOException {
    ResNetOptions options = null;
    try {
      options = ResNetOptions.parse(arguments);
    } catch (IllegalArgumentException e) {
      System.err.println("resnet: " + e.getMessage());
      System.exit(2);
    }
    int threads = Math.min(MOST_THREADS, Runtime.getRuntime().availableProcessors());
    try (Backend backend = open(threads)) {
      System.out.println(backend.description());
      ResNetGpuRun run = new ResNetGpuRun(backend, options, threads, System.out::println);
      List<ResNetOutcome> outcomes = run.all();
      ResNetOutcome.table(outcomes).forEach(System.out::println);
      ResNetOutcome.ratios(outcomes).forEach(ratios -> ratios.lines().forEach(System.out::println));
      if (options.json() != null) {
        run.write(outcomes);
      }
    }
  }

  /** With what is found of NVIDIA's libraries, as training has it, and more threads than tests. */
  private static Backend open(int threads) {
    return TestGpu.emulated()
        ? TestGpu.openOrExit("resnet")
        : CudaBackend.open("0", CudaSettings.DEFAULT, threads);
  }

  /** One outcome for each mode, in their order. */
  List<ResNetOutcome> all() {
    told.accept(
        "%,d images to train on, %,d held out, %,d to test on"
            .formatted(train.count(), validation.count(), test.count()));
    warmUp();
    List<ResNetOutcome> outcomes = new ArrayList<>();
    for (ResNetMode mode : options.modes()) {
      ResNetOutcome outcome = run(mode);
      outcomes.add(outcome);
      told.accept(outcome.line()); // here too: who is cut off has those that are done
    }
    return outcomes;
  }

  private long stepsPerEpoch() {
    return train.count() / options.batch();
  }

  /** A few steps at full rank, or else who comes first pays for the start. */
  private void warmUp() {
    RunConfig config = options.config(ResNetMode.FULL, stepsPerEpoch());
    long[] left = {Math.min(WARM_UP_STEPS, config.train().steps())};
    long start = System.nanoTime();
    try (Rank rank = new Rank(config)) {
      rank.train(row -> left[0]--, () -> left[0] <= 1);
    }
    told.accept("warm-up: %.1f s".formatted((System.nanoTime() - start) / 1e9));
  }

  private ResNetOutcome run(ResNetMode mode) {
    RunConfig config = options.config(mode, stepsPerEpoch());
    ResNetProgress progress = new ResNetProgress(mode.word(), stepsPerEpoch(), told);
    try (Rank rank = new Rank(config)) {
      TrainSummary summary = rank.train(progress, () -> false);
      double wall = summary.wallSeconds() - summary.validationSeconds();
      double accuracy = rank.accuracy(test);
      return new ResNetOutcome(
          mode,
          options.epochs(),
          summary.steps(),
          summary.parameters(),
          wall,
          progress.epochSecondsBefore(),
          progress.epochSecondsAfter(),
          progress.switchSeconds(),
          progress.detectorSeconds(),
          progress.dataWaitSeconds(),
          summary.trained() / wall,
          summary.confusion().accuracy(),
          accuracy,
          progress.switchedAt(),
          progress.switchedAt() < 0 ? -1 : (double) progress.switchedAt() / stepsPerEpoch(),
          progress.ranks(),
          progress.epochs());
    }
  }

  /** Method, model and replica of one run, alone. */
  private final class Rank implements AutoCloseable {
    private final RunConfig config;
    private final BatchPlan plan;
    private final Collective alone = new LocalCollective();
    private final Method method;
    private final Model model;
    private final Replica replica;

    Rank(RunConfig config) {
      this.config = config;
      this.plan = BatchPlan.of(config.train().batch(), config.train().microBatch(), 0, 1);
      this.method = Models.method(backend, config);
      this.model =
          Models.imageClassifier(backend, config, CifarImages.SHAPE, CifarImages.CLASSES, method);
      this.replica = new Replica(backend, model, config.optimizer());
    }

    TrainSummary train(MetricsSink metrics, BooleanSupplier stop) {
      try (BatchSource source = new BatchesAhead(plan, threads, this::epochs)) {
        TrainerParts parts =
            new TrainerParts(
                replica,
                method,
                LearningRateSchedule.of(
                    config.schedule(), config.optimizer().learningRate(), config.train().steps()),
                source,
                () -> sweep(validation),
                DeviceCollective.of(alone, backend),
                null,
                null,
                metrics,
                config,
                stop);
        return new Trainer(parts).run();
      }
    }

    /** Each with a transform of its own: one thread uses one. */
    private BatchSource epochs() {
      long seed = config.train().seed();
      ImageTransform varied =
          ImageTransform.training(
              CifarImages.SHAPE, moments.mean(), moments.deviation(), config.image(), seed);
      return new EpochsInMemory<>(rows(train, varied), plan, seed, true);
    }

    private BatchSource sweep(CifarImages images) {
      ImageTransform plain =
          ImageTransform.evaluation(CifarImages.SHAPE, moments.mean(), moments.deviation());
      return new SweepInMemory<>(rows(images, plain), plan);
    }

    /** Of the model as it is; the trainer has freed its activations. */
    double accuracy(CifarImages images) {
      try (Workspace workspace = new Workspace(backend);
          BatchSource source = sweep(images)) {
        model.reserve(workspace, plan.microBatch());
        return new Evaluator(model, alone).evaluate(source).accuracy();
      }
    }

    @Override
    public void close() {
      replica.close();
      alone.close();
    }
  }

  private static ImageRows rows(CifarImages images, ImageTransform transform) {
    return new ImageRows(images.pixels(), images.labels(), CifarImages.SHAPE, transform);
  }

  private void write(List<ResNetOutcome> outcomes) throws IOException {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("device", backend.description());
    all.put("batch", options.batch());
    all.put("seed", options.seed());
    all.put("learningRate", options.learningRate());
    all.put("settings", options.settings());
    all.put("outcomes", outcomes);
    all.put("ratios", ResNetOutcome.ratios(outcomes));
    new ObjectMapper()
        .enable(SerializationFeature.INDENT_OUTPUT)
        .writeValue(options.json().toFile(), all);
  }
}
