package dev.sparrow.model;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.ModelShape;
import dev.sparrow.data.Batch;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.CrossEntropyHead;
import dev.sparrow.nn.Dropout;
import dev.sparrow.nn.Embedding;
import dev.sparrow.nn.FigureSink;
import dev.sparrow.nn.KeyValueCache;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.LearnedPositions;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.Method;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * A decoder-only transformer (Radford et al. 2019, GPT-2): embedding, positions, pre-norm blocks, a
 * last norm and a head over the vocabulary. With rotary positions, RMSNorm and gated SILU it is
 * Llama's (Touvron et al. 2023).
 *
 * <p>One thread uses a model; a training step allocates nothing on the device.
 */
public final class TransformerLm implements Model {
  private final Backend backend;
  private final ModelShape shape;
  private final int vocabulary;
  private final Embedding embedding;
  private final LearnedPositions positions; // null where rotary
  private final Dropout embeddingDropout;
  private final TransformerStack stack;
  private final CrossEntropyHead head;
  private final TokenStage stage;
  private final PartParameters inputParameters;
  private final PartParameters headParameters;
  private final PassRecordings recordings;
  private Tensor lastRows; // I32 (sequences)
  private Tensor last; // (sequences, width)
  private Tensor lastLogits; // (sequences, head's columns)

  public TransformerLm(Backend backend, ModelShape shape, int vocabulary, Method method) {
    this(backend, shape, vocabulary, method, CrossEntropyHead.CHUNK_BYTES);
  }

  /**
   * @param vocabulary token ids are below it
   * @param method chooses the form of every matrix and feed-forward
   * @param logitBytes most bytes of logits at a time, see {@link CrossEntropyHead}
   */
  public TransformerLm(
      Backend backend, ModelShape shape, int vocabulary, Method method, long logitBytes) {
    this.backend = backend;
    this.shape = shape;
    this.vocabulary = vocabulary;
    TransformerParts parts = new TransformerParts(backend, shape, shape.context(), true, method);
    this.embedding = parts.embedding(vocabulary);
    this.positions = parts.positions();
    this.embeddingDropout = parts.dropout("embedding");
    this.stack = parts.stack();
    this.head = parts.head(embedding, vocabulary, logitBytes);
    this.stage = new TokenStage(backend, vocabulary);
    method.modelBuilt(); // may give parameters their shapes
    this.inputParameters = new PartParameters(this::inputParameters);
    // A tied head's matrix is the embedding's, complete only with the embedding.
    this.headParameters = new PartParameters(shape.tiedHead() ? sink -> {} : head::parameters);
    this.recordings = new PassRecordings(backend, stack.recordable(), this::forwardBackward);
    parametersChanged();
  }

  private void inputParameters(Consumer<Parameter> sink) {
    embedding.parameters(sink);
    if (positions != null) {
      positions.parameters(sink);
    }
  }

  public ModelShape shape() {
    return shape;
  }

  public int vocabulary() {
    return vocabulary;
  }

  /** Columns of a row of logits: the vocabulary and, on some backends, padding behind it. */
  public int logitColumns() {
    return head.columns();
  }

  @Override
  public List<Parameter> parameters() {
    List<Parameter> all = new ArrayList<>();
    inputParameters(all::add);
    stack.parameters(all::add);
    head.parameters(all::add);
    return all;
  }

  @Override
  public List<Buffer> buffers() {
    List<Buffer> all = new ArrayList<>();
    stack.buffers(all::add);
    return all;
  }

  @Override
  public void parametersChanged() {
    stack.parametersChanged();
    recordings.forget();
  }

  @Override
  public Unit unit() {
    return Unit.TOKENS;
  }

  @Override
  public int length() {
    return shape.context();
  }

  @Override
  public int targets() {
    return shape.context();
  }

  @Override
  public void reserve(Workspace workspace, int sequences) {
    int tokens = Math.multiplyExact(sequences, shape.context());
    recordings.forget(); // they hold the addresses of memory that was reserved before
    stage.reserve(workspace, sequences, shape.context());
    embedding.reserve(workspace, tokens);
    stack.reserve(workspace, tokens);
    head.reserve(workspace, tokens);
    lastRows = workspace.keep(DType.I32, sequences);
    last = workspace.keep(sequences, shape.width());
    lastLogits = workspace.keep(sequences, head.columns());
  }

  @Override
  public void forwardBackward(Batch batch, Pass pass, Consumer<Parameter> complete) {
    requireContext(pass.length());
    stage.upload(batch, pass);
    recordings.run(pass, complete);
  }

  /** On the batch that is staged. */
  private void forwardBackward(Pass pass, Consumer<Parameter> complete) {
    Tensor hidden = hidden(pass);
    Tensor dhidden = head.forwardBackward(hidden, stage.targets(pass.tokens()), pass.lossScale());
    headParameters.complete(complete);
    Tensor dx = stack.backward(dhidden, pass, complete);
    embeddingDropout.apply(dx, pass, dx);
    if (positions != null) {
      positions.backward(dx, pass.length());
    }
    embedding.backward(stage.inputs(pass.tokens()), dx);
    inputParameters.complete(complete);
  }

  @Override
  public void forward(Batch batch, Pass pass) {
    head.forward(staged(batch, pass), stage.targets(pass.tokens()));
  }

  /**
   * The logits of every token, as one does to compare with another framework or to score texts.
   *
   * @param out (tokens, {@link #logitColumns}), the caller's
   */
  public void logits(Batch batch, Pass pass, Tensor out) {
    head.logits(staged(batch, pass), out);
  }

  private Tensor staged(Batch batch, Pass pass) {
    requireContext(pass.length());
    stage.upload(batch, pass);
    recordings.onHost(pass);
    return hidden(pass);
  }

  /** Everything before the head, on the batch that is staged: (tokens, width). */
  private Tensor hidden(Pass pass) {
    stage.split(pass);
    return stack.forward(embed(pass, 0), pass);
  }

  private Tensor embed(Pass pass, int start) {
    Tensor x = embedding.forward(stage.inputs(pass.tokens()));
    if (positions != null) {
      positions.forward(x, pass.length(), start);
    }
    return embeddingDropout.apply(x, pass, x);
  }

  private void requireContext(int length) {
    if (length > shape.context()) {
      throw new IllegalArgumentException(
          "batch: expected sequences of at most model.context = %d tokens, got %d"
              .formatted(shape.context(), length));
    }
  }

  /**
   * An empty cache for {@code sequences} sequences of up to context tokens; the caller closes it.
   */
  public KeyValueCache cache(int sequences) {
    return new KeyValueCache(backend, shape.layers(), sequences, shape.context(), shape.width());
  }

  /**
   * Generation: feeds new tokens behind those in the cache, adds them to it, and predicts what
   * comes next.
   *
   * @param ids the new tokens, the same number of each of the cache's sequences, sequence by
   *     sequence; all of a prompt at first, then one each
   * @return (sequences, {@link #logitColumns}), the model's own, valid until the next call
   */
  public Tensor logits(int[] ids, KeyValueCache cache) {
    int sequences = cache.sequences();
    if (ids.length % sequences != 0) {
      throw new IllegalArgumentException(
          "ids: expected equally many tokens of each of %d sequences, got %d in all"
              .formatted(sequences, ids.length));
    }
    int length = ids.length / sequences;
    cache.requireRoom(length);
    stage.upload(ids, sequences);
    Pass pass = Pass.inference(sequences, length);
    Tensor x = embed(pass, cache.length());
    return lastLogits(stack.forwardCached(x, pass, cache), sequences, length);
  }

  private Tensor lastLogits(Tensor hidden, int sequences, int length) {
    int[] rows = new int[sequences];
    for (int i = 0; i < sequences; i++) {
      rows[i] = (i + 1) * length - 1;
    }
    Tensor index = lastRows.first(sequences);
    backend.upload(rows, 0, index);
    Tensor picked = last.first(sequences);
    backend.embedding().forward(index, hidden, picked);
    Tensor out = lastLogits.first(sequences);
    head.logits(picked, out);
    return out;
  }

  @Override
  public void lossSum(boolean accumulate, Tensor total) {
    head.lossSum(accumulate, total);
  }

  @Override
  public double lossSumSync() {
    return head.lossSumSync();
  }

  @Override
  public void figures(FigureSink sink) {
    stack.figures(sink);
  }

  @Override
  public void describe(LayerSummary.Sink sink) {
    embedding.describe(sink);
    if (positions != null) {
      positions.describe(sink);
    }
    stack.describe(sink);
    head.describe(sink);
  }
}
