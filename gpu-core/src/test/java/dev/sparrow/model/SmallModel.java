package dev.sparrow.model;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.RandomValues;
import dev.sparrow.config.ModelShape;
import dev.sparrow.config.ModelShape.NormKind;
import dev.sparrow.config.ModelShape.Positions;
import dev.sparrow.data.TokenBatch;
import dev.sparrow.nn.CrossEntropyHead;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.DenseMethod;
import dev.sparrow.sparsity.Method;
import java.util.List;

/** A language model of a few hundred weights with memory and a batch, for tests. */
final class SmallModel implements AutoCloseable {
  static final int VOCABULARY = 11;
  static final int CONTEXT = 6;

  final Backend backend;
  final TransformerLm model;
  final ParameterArena arena;
  final Workspace workspace;

  /** Two architectures far apart and one between. */
  enum Kind {
    /** GPT-2: learned positions, LayerNorm, exact GELU, biases, a head of its own. */
    GPT,
    /** Llama: rotary, RMSNorm, SwiGLU, no biases; here with a tied head. */
    LLAMA,
    /** GPT-2 with a tied head and the tanh approximation. */
    TIED_GPT;

    ModelShape shape(double dropout) {
      boolean llama = this == LLAMA;
      return new ModelShape(
          ModelShape.Kind.TRANSFORMER,
          2,
          2,
          8,
          llama ? 12 : 0,
          CONTEXT,
          llama ? Positions.ROTARY : Positions.LEARNED,
          10000,
          llama ? NormKind.RMS : NormKind.LAYER,
          1e-5,
          llama ? Activation.SILU : this == GPT ? Activation.GELU : Activation.GELU_TANH,
          llama,
          !llama,
          this != GPT,
          dropout,
          0.3,
          List.of(),
          1,
          0);
    }
  }

  SmallModel(Backend backend, Kind kind, double dropout, int sequences) {
    this(backend, kind.shape(dropout), sequences, CrossEntropyHead.CHUNK_BYTES);
  }

  SmallModel(Backend backend, ModelShape shape, int sequences, long logitBytes) {
    this(backend, shape, new DenseMethod(backend), sequences, logitBytes);
  }

  SmallModel(Backend backend, ModelShape shape, Method method, int sequences, long logitBytes) {
    this.backend = backend;
    this.model = new TransformerLm(backend, shape, VOCABULARY, method, logitBytes);
    this.arena = new ParameterArena(backend, model.parameters());
    this.workspace = new Workspace(backend);
    model.reserve(workspace, sequences);
    arena.initialize(5);
    // Biases and norms away from 0 and 1, so that their terms count.
    float[] values = new float[(int) arena.size()];
    backend.downloadSync(arena.values(), values, 0);
    float[] shift = new RandomValues(6).normal(values.length);
    for (int i = 0; i < values.length; i++) {
      values[i] += 0.1f * shift[i];
    }
    backend.upload(values, 0, arena.values());
  }

  /** Random sequences; sample numbers from {@code firstSample} on. */
  static TokenBatch batch(int sequences, long firstSample) {
    TokenBatch batch = new TokenBatch(sequences, CONTEXT);
    int row = CONTEXT + 1;
    for (int b = 0; b < sequences; b++) {
      int[] ids = new RandomValues(100 + firstSample + b).integers(row, 0, VOCABULARY);
      batch.tokens().put(b * row, ids, 0, row);
    }
    batch.filled(sequences, firstSample);
    return batch;
  }

  /** A training pass over the batch, its loss the mean over {@code globalTokens}. */
  static Pass pass(TokenBatch batch, int globalTokens) {
    long firstToken = batch.firstSample() * batch.context();
    return new Pass(true, 9, firstToken, batch.samples(), batch.context(), 1.0 / globalTokens);
  }

  /** Forward and backward; the mean loss over the batch. */
  double step(TokenBatch batch) {
    int tokens = batch.samples() * batch.context();
    model.forwardBackward(batch, pass(batch, tokens), parameter -> {});
    return model.lossSumSync() / tokens;
  }

  @Override
  public void close() {
    workspace.close();
    arena.close();
    backend.close();
  }
}
