package dev.sparrow.train;

import dev.sparrow.checkpoint.Checkpoint;
import dev.sparrow.checkpoint.CheckpointException;
import dev.sparrow.checkpoint.CheckpointState;
import dev.sparrow.checkpoint.CheckpointWriter;
import dev.sparrow.checkpoint.ModelFile;
import dev.sparrow.checkpoint.TensorShapes;
import dev.sparrow.config.RunConfig;
import dev.sparrow.model.ImageClassifier;
import dev.sparrow.model.Unit;
import java.io.IOException;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;

/**
 * A run's way into and out of checkpoints. Rank 0 reads and writes; the others receive what it
 * read, so that only rank 0 needs to see the store.
 */
final class RunCheckpoints implements AutoCloseable {
  private static final byte[] NOTHING = {};

  private final TrainerParts parts;
  private final CheckpointWriter writer; // null: this rank writes none
  private RunState.Snapshot snapshot;
  private long lastSaved = -1;

  RunCheckpoints(TrainerParts parts) {
    this.parts = parts;
    boolean writes = parts.collective().rank() == 0 && parts.checkpoints() != null;
    this.writer = writes ? new CheckpointWriter(parts.checkpoints()) : null;
  }

  /** Continues from the newest checkpoint, or sets the initial weights; gives updates done. */
  long restore() {
    Optional<Checkpoint> found = writer == null ? Optional.empty() : parts.checkpoints().latest();
    byte[] json = broadcast(found.map(f -> f.state().toJson()).orElse(NOTHING));
    if (json.length == 0) {
      begin();
      return 0;
    }
    CheckpointState saved = parse(json);
    requireSameOrder(saved);
    fit(found.map(Checkpoint::model));
    parts.method().restore(saved.methodState());
    RunState state = rebuilt();
    found.ifPresent(
        checkpoint -> {
          state.load(checkpoint.model());
          state.loadOptimizer(checkpoint);
        });
    shared(state);
    parts.train().restore(saved.position());
    lastSaved = saved.step();
    return saved.step();
  }

  /** Initial weights: of the seed, or another run's. */
  private void begin() {
    if (parts.config().train().from().isEmpty()) {
      parts.arena().initialize(parts.config().train().seed());
      return;
    }
    fit(Optional.ofNullable(parts.from()));
    RunState state = rebuilt();
    if (parts.from() != null) {
      state.load(parts.from());
    }
    shared(state);
  }

  /** Gives the model the form of that which rank 0 is about to read. */
  private void fit(Optional<ModelFile> model) {
    byte[] shapes = broadcast(model.map(m -> m.shapes().toJson()).orElse(NOTHING));
    parts.method().fit(TensorShapes.fromJson(shapes).byName());
  }

  private RunState rebuilt() {
    parts.replica().rebuild();
    return new RunState(parts);
  }

  /** Gives all ranks what rank 0 has read. */
  private void shared(RunState state) {
    state.broadcast(parts.collective());
    parts.method().loaded();
  }

  private byte[] broadcast(byte[] ofRankZero) {
    return parts.collective().broadcast(ofRankZero, 0);
  }

  private static CheckpointState parse(byte[] json) {
    try {
      return CheckpointState.fromJson(json);
    } catch (IOException broken) {
      throw new CheckpointException("state.json: " + broken.getMessage(), broken);
    }
  }

  /** A position means the same samples only under the same seed, batch and kind of sample. */
  private void requireSameOrder(CheckpointState saved) {
    RunConfig config = parts.config();
    requireSame("train.seed", saved.seed(), config.train().seed());
    requireSame("train.batch", saved.batch(), config.train().batch());
    requireSame("model.context", saved.context(), context());
    requireSame("images", saved.images(), images());
  }

  /** Tokens of a sequence; 0 where samples are images. */
  private int context() {
    return parts.model().unit() == Unit.TOKENS ? parts.config().model().context() : 0;
  }

  /** What samples are where they are images; else null. */
  private String images() {
    return parts.model() instanceof ImageClassifier classifier
        ? "%d x %d x %d pixels in %d classes"
            .formatted(
                classifier.image().height(),
                classifier.image().width(),
                classifier.image().channels(),
                classifier.classes())
        : null;
  }

  private static void requireSame(String key, Object saved, Object configured) {
    if (!Objects.equals(saved, configured)) {
      throw new CheckpointException(
          key
              + ": expected "
              + saved
              + " as in the checkpoint to resume, got "
              + configured
              + "; set it back, or start a new run with another output.path");
    }
  }

  /**
   * Takes the state of now and returns; a thread writes it.
   *
   * @throws CheckpointException where the last write failed
   */
  void save(long step) {
    if (step == lastSaved) {
      return;
    }
    lastSaved = step;
    if (writer == null) {
      return;
    }
    writer.await();
    if (snapshot == null || !snapshot.isOf(parts)) {
      snapshot = new RunState(parts).snapshot();
    }
    writer.write(snapshot.capture(stateAt(step), parts.config().text()));
  }

  private CheckpointState stateAt(long step) {
    RunConfig config = parts.config();
    long position = parts.train().position();
    return new CheckpointState(
        CheckpointState.FORMAT_VERSION,
        step,
        position,
        (double) position / parts.train().samplesPerEpoch(),
        config.train().seed(),
        config.train().batch(),
        context(),
        images(),
        parts.collective().size(),
        parts.method().name(),
        parts.method().state(),
        config.optimizer().name().name().toLowerCase(Locale.ROOT),
        null);
  }

  /** For messages. */
  String lastInWords() {
    if (writer == null && parts.collective().rank() == 0) {
      return "checkpoints are off";
    }
    return lastSaved < 0
        ? "there is no checkpoint yet"
        : "the last good checkpoint is of step " + lastSaved;
  }

  /** Waits for what is being written. */
  @Override
  public void close() {
    if (writer != null) {
      writer.close();
    }
  }
}
