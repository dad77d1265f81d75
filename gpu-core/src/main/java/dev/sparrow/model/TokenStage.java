package dev.sparrow.model;

import dev.sparrow.backend.Backend;
import dev.sparrow.data.Batch;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/**
 * Brings token ids from a host batch to the device: rows of context + 1 ids become inputs and the
 * same ids one place on as targets. Refuses ids that the embedding has no row for.
 */
final class TokenStage {
  private final Backend backend;
  private final int vocabulary;
  private int[] host;
  private Tensor inputs; // I32 (tokens)
  private Tensor targets; // I32 (tokens)

  TokenStage(Backend backend, int vocabulary) {
    this.backend = backend;
    this.vocabulary = vocabulary;
  }

  void reserve(Workspace workspace, int tokens) {
    host = new int[tokens];
    inputs = workspace.keep(DType.I32, tokens);
    targets = workspace.keep(DType.I32, tokens);
  }

  /** Inputs and targets of a batch, for {@link #inputs} and {@link #targets}. */
  void upload(Batch batch, Pass pass) {
    int length = batch.context();
    if (pass.sequences() != batch.sequences() || pass.length() != length) {
      throw new IllegalArgumentException(
          "pass: expected the batch's %d sequences of %d tokens, got %d of %d"
              .formatted(batch.sequences(), length, pass.sequences(), pass.length()));
    }
    requireRoom(pass.tokens());
    requireKnown(batch.tokens(), batch.sequences() * (length + 1), length + 1);
    fill(batch, 0);
    backend.upload(host, 0, inputs(pass.tokens()));
    fill(batch, 1);
    backend.upload(host, 0, targets(pass.tokens()));
  }

  private void fill(Batch batch, int shift) {
    int length = batch.context();
    for (int row = 0; row < batch.sequences(); row++) {
      System.arraycopy(batch.tokens(), row * (length + 1) + shift, host, row * length, length);
    }
  }

  /** Inputs alone, as generation feeds them. */
  void upload(int[] ids, int sequences) {
    requireRoom(ids.length);
    requireKnown(ids, ids.length, ids.length / sequences);
    backend.upload(ids, 0, inputs(ids.length));
  }

  Tensor inputs(int tokens) {
    return inputs.first(tokens);
  }

  Tensor targets(int tokens) {
    return targets.first(tokens);
  }

  private void requireRoom(int tokens) {
    if (host == null || tokens > host.length) {
      throw new IllegalArgumentException(
          "batch: expected at most %d tokens, got %d; reserve the model for larger micro-batches"
              .formatted(host == null ? 0 : host.length, tokens));
    }
  }

  private void requireKnown(int[] ids, int count, int rowLength) {
    for (int i = 0; i < count; i++) {
      if (ids[i] < 0 || ids[i] >= vocabulary) {
        throw new IllegalArgumentException(
            ("batch: expected token ids in [0, %d), got %d in sequence %d at position %d; were the"
                    + " shards written with another tokenizer?")
                .formatted(vocabulary, ids[i], i / rowLength, i % rowLength));
      }
    }
  }
}
