package dev.sparrow.train;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.checkpoint.CheckpointStore;
import dev.sparrow.checkpoint.LocalFileStore;
import dev.sparrow.checkpoint.ModelFile;
import dev.sparrow.collective.Collective;
import dev.sparrow.collective.DeviceCollective;
import dev.sparrow.collective.LocalCollective;
import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.Batch;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.BatchSource;
import dev.sparrow.model.Model;
import dev.sparrow.model.Models;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.optim.LearningRateSchedule;
import dev.sparrow.sparsity.Method;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A run of a small model on a {@link ToyTask}. */
final class ToyRun {
  static final int VOCABULARY = 13;
  static final int CONTEXT = 8;

  private final ToyTask task;
  private final List<String> settings = new ArrayList<>();
  private Path checkpoints;
  private Opener opener = rank -> new CpuBackend(1);
  private Methods methods = (backend, config, rank) -> Models.method(backend, config);
  private Hook hook = (step, arena, backend) -> false;
  private MetricsSink sink = row -> {};

  /** Called on every rank between backward and update; true asks to stop. */
  interface Hook {
    boolean at(long step, ParameterArena arena, Backend backend);
  }

  /** Makes a rank's training method. */
  interface Methods {
    Method of(Backend backend, RunConfig config, int rank);
  }

  /** Opens a rank's backend on the rank's thread. */
  interface Opener {
    Backend open(int rank);
  }

  /** What a run left. */
  record Result(
      TrainSummary summary,
      List<MetricsRow> rows,
      float[] weights,
      long parameters,
      List<Integer> samples) {
    List<Double> losses() {
      return rows.stream().map(MetricsRow::loss).toList();
    }
  }

  /** Of a language model. */
  ToyRun(String... assignments) {
    this(new CountingTask(), assignments);
  }

  ToyRun(ToyTask task, String... assignments) {
    this.task = task;
    settings.addAll(
        List.of(
            "model.layers=2",
            "model.heads=2",
            "model.width=16",
            "model.context=" + CONTEXT,
            "model.dropout=0.1",
            "optimizer.learning-rate=0.01",
            "schedule.warmup-steps=2",
            "train.batch=8",
            "train.steps=10",
            "train.log-every=1"));
    settings.addAll(List.of(assignments));
  }

  ToyRun checkpoints(Path directory) {
    this.checkpoints = directory;
    return this;
  }

  ToyRun threads(int count) {
    return on(rank -> new CpuBackend(count));
  }

  ToyRun on(Opener backend) {
    this.opener = backend;
    return this;
  }

  ToyRun methods(Methods made) {
    this.methods = made;
    return this;
  }

  ToyRun hook(Hook called) {
    this.hook = called;
    return this;
  }

  /** Called after a row is kept. */
  ToyRun sink(MetricsSink called) {
    this.sink = called;
    return this;
  }

  /** Keeps a number that stands for each sample that was trained on. */
  private static final class Recording implements BatchSource {
    private final BatchSource source;
    private final ToyTask task;
    private final List<Integer> seen;

    Recording(BatchSource source, ToyTask task, List<Integer> seen) {
      this.source = source;
      this.task = task;
      this.seen = seen;
    }

    @Override
    public Batch next() {
      Batch batch = source.next();
      for (int row = 0; row < batch.samples(); row++) {
        seen.add(task.hash(batch, row));
      }
      return batch;
    }

    @Override
    public long samplesPerEpoch() {
      return source.samplesPerEpoch();
    }

    @Override
    public long position() {
      return source.position();
    }

    @Override
    public void restore(long position) {
      source.restore(position);
    }

    @Override
    public void close() {
      source.close();
    }
  }

  Result alone() {
    try (Collective collective = new LocalCollective()) {
      return on(collective);
    }
  }

  List<Result> ranks(int size) throws Exception {
    return Ranks.run(size, this::on);
  }

  Result on(Collective collective) {
    RunConfig config = ConfigParser.parse("", "toy", settings);
    BatchPlan plan =
        BatchPlan.of(
            config.train().batch(),
            config.train().microBatch(),
            collective.rank(),
            collective.size());
    try (Backend backend = opener.open(collective.rank())) {
      Method method = methods.of(backend, config, collective.rank());
      Model model = task.model(backend, config, method);
      try (Replica replica = new Replica(backend, model, config.optimizer())) {
        return run(config, plan, method, replica, collective);
      }
    }
  }

  private Result run(
      RunConfig config, BatchPlan plan, Method method, Replica replica, Collective ring) {
    Backend backend = replica.backend();
    Collective collective = DeviceCollective.of(ring, backend);
    List<MetricsRow> rows = new ArrayList<>();
    List<Integer> seen = new ArrayList<>();
    long[] step = {0};
    MetricsSink metrics =
        new MetricsSink() {
          @Override
          public void start(long done, long steps) {
            step[0] = done;
            sink.start(done, steps);
          }

          @Override
          public void row(MetricsRow row) {
            rows.add(row);
            sink.row(row);
          }
        };
    BatchSource source = task.train(config, plan, backend::hostInts);
    TrainerParts parts =
        new TrainerParts(
            replica,
            method,
            LearningRateSchedule.of(
                config.schedule(), config.optimizer().learningRate(), config.train().steps()),
            new Recording(source, task, seen),
            () -> task.validation(config, plan, backend::hostInts),
            collective,
            checkpoints == null || collective.rank() > 0
                ? null
                : new CheckpointStore(
                    new LocalFileStore(), checkpoints.toString(), config.checkpoint().keep()),
            config.train().from().isEmpty() || collective.rank() > 0
                ? null
                : new ModelFile(new LocalFileStore(), config.train().from()),
            metrics,
            config,
            () -> hook.at(++step[0], replica.arena(), backend));
    long before = backend.allocatedBytes();
    long generation = replica.generation();
    List<Buffer> buffers = replica.model().buffers();
    try (source) {
      TrainSummary summary = new Trainer(parts).run();
      ParameterArena arena = replica.arena();
      return new Result(summary, rows, weights(backend, arena), arena.parameterCount(), seen);
    } finally {
      boolean sameForm =
          replica.generation() == generation && replica.model().buffers().equals(buffers);
      if (sameForm && backend.allocatedBytes() != before) {
        throw new AssertionError(
            "expected "
                + before
                + " bytes on the device as before the run, got "
                + backend.allocatedBytes());
      }
    }
  }

  private static float[] weights(Backend backend, ParameterArena arena) {
    float[] weights = new float[(int) arena.size()];
    backend.downloadSync(arena.values(), weights, 0);
    return weights;
  }
}
