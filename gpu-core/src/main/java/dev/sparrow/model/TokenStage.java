package dev.sparrow.model;

import dev.sparrow.backend.Backend;
import dev.sparrow.data.Batch;
import dev.sparrow.data.TokenBatch;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.nio.IntBuffer;

/**
 * Brings token ids from a host batch to the device: rows of context + 1 ids become inputs and the
 * same ids one place on as targets. Refuses ids that the embedding has no row for.
 */
final class TokenStage {
  private final Backend backend;
  private final int vocabulary;
  private Tensor rows; // I32 (tokens + sequences)
  private Tensor inputs; // I32 (tokens)
  private Tensor targets; // I32 (tokens)

  TokenStage(Backend backend, int vocabulary) {
    this.backend = backend;
    this.vocabulary = vocabulary;
  }

  void reserve(Workspace workspace, int sequences, int context) {
    int tokens = Math.multiplyExact(sequences, context);
    // Sequences may be shorter and more; each brings one id beside its tokens.
    rows = workspace.keep(DType.I32, Math.multiplyExact(tokens, 2));
    inputs = workspace.keep(DType.I32, tokens);
    targets = workspace.keep(DType.I32, tokens);
  }

  /** The rows of a batch; {@link #split} makes inputs and targets of them. */
  void upload(Batch any, Pass pass) {
    if (!(any instanceof TokenBatch batch)) {
      throw new IllegalArgumentException(
          "batch: expected token sequences, got " + any.getClass().getSimpleName());
    }
    int length = batch.context();
    if (pass.sequences() != batch.samples() || pass.length() != length) {
      throw new IllegalArgumentException(
          "pass: expected the batch's %d sequences of %d tokens, got %d of %d"
              .formatted(batch.samples(), length, pass.sequences(), pass.length()));
    }
    requireRoom(pass.tokens());
    int count = batch.samples() * (length + 1);
    requireKnown(batch.tokens(), count, length + 1);
    backend.upload(batch.memory(), rows.first(count));
  }

  /** On the device: inputs and targets of the rows that {@link #upload} brought. */
  void split(Pass pass) {
    int count = pass.sequences() * (pass.length() + 1);
    backend
        .embedding()
        .splitTokens(
            rows.first(count).reshape(pass.sequences(), pass.length() + 1),
            inputs(pass.tokens()),
            targets(pass.tokens()));
  }

  /** Inputs alone, as generation feeds them. */
  void upload(int[] ids, int sequences) {
    requireRoom(ids.length);
    requireKnown(IntBuffer.wrap(ids), ids.length, ids.length / sequences);
    backend.upload(ids, 0, inputs(ids.length));
  }

  Tensor inputs(int tokens) {
    return inputs.first(tokens);
  }

  Tensor targets(int tokens) {
    return targets.first(tokens);
  }

  private void requireRoom(int tokens) {
    long most = inputs == null ? 0 : inputs.size();
    if (tokens > most) {
      throw new IllegalArgumentException(
          "batch: expected at most %d tokens, got %d; reserve the model for larger micro-batches"
              .formatted(most, tokens));
    }
  }

  private void requireKnown(IntBuffer ids, int count, int rowLength) {
    for (int i = 0; i < count; i++) {
      int id = ids.get(i);
      if (id < 0 || id >= vocabulary) {
        throw new IllegalArgumentException(
            ("batch: expected token ids in [0, %d), got %d in sequence %d at position %d; were the"
                    + " shards written with another tokenizer?")
                .formatted(vocabulary, id, i / rowLength, i % rowLength));
      }
    }
  }
}
