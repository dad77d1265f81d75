package dev.sparrow.nn;

import dev.sparrow.backend.AttentionOps;
import dev.sparrow.backend.AttentionShape;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.EmbeddingOps;
import dev.sparrow.backend.RandomKey;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Multi-head attention (Vaswani et al. 2017) between two linears: {@code out(attend(qkv(x)))}, with
 * rotary positions on queries and keys where the spec asks for them.
 *
 * <p>Kept until backward: qkv, the heads' output and one number a row and head; scores never exist
 * as a whole.
 */
public final class SelfAttention implements ResidualBranch {
  private final AttentionSpec spec;
  private final AttentionOps attention;
  private final EmbeddingOps embedding;
  private final Linear qkv;
  private final Linear out;
  private final long stream;
  private Tensor packed; // (tokens, 3·width)
  private Tensor heads; // (tokens, width)
  private Tensor logSumExp; // (tokens·heads)
  private Tensor y; // (tokens, width), scratch
  private Tensor dpacked; // (tokens, 3·width), scratch
  private Tensor dx; // (tokens, width), scratch
  private Tensor x; // (tokens, width), the caller's

  /**
   * @param weights makes the form of each matrix
   */
  public SelfAttention(
      Backend backend, AttentionSpec spec, Function<LinearSpec, LinearWeight> weights) {
    this.spec = spec;
    this.attention = backend.attention();
    this.embedding = backend.embedding();
    this.qkv = linear("qkv", 3 * spec.width(), spec.standardDeviation(), weights);
    this.out = linear("out", spec.width(), spec.outputStandardDeviation(), weights);
    this.stream = RandomKey.streamOf(spec.name() + ".probabilities");
  }

  private Linear linear(
      String part, int columns, double deviation, Function<LinearSpec, LinearWeight> weights) {
    String path = spec.name() + '.' + part;
    LinearSpec matrix = new LinearSpec(path, spec.width(), columns, deviation);
    return new Linear(path, weights.apply(matrix), spec.bias());
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    qkv.parameters(sink);
    out.parameters(sink);
  }

  @Override
  public void buffers(Consumer<Buffer> sink) {
    qkv.buffers(sink);
    out.buffers(sink);
  }

  @Override
  public void reserve(Workspace workspace, int tokens) {
    int width = spec.width();
    packed = workspace.keep(tokens, 3 * width);
    heads = workspace.keep(tokens, width);
    logSumExp = workspace.keepFloat(Math.multiplyExact(tokens, spec.heads()));
    y = workspace.scratch("branch.y", tokens, width);
    dpacked = workspace.scratch("attention.dqkv", tokens, 3 * width);
    dx = workspace.scratch("branch.dx", tokens, width);
    qkv.reserve(workspace, tokens);
    out.reserve(workspace, tokens);
  }

  @Override
  public Tensor forward(Tensor x, Pass pass) {
    Tensor result = y.first(pass.tokens());
    out.forward(attend(x, pass), null, result);
    return result;
  }

  @Override
  public void forward(Tensor x, Tensor residual, Pass pass, Tensor result) {
    out.forward(attend(x, pass), residual, result);
  }

  /** The input of out. */
  private Tensor attend(Tensor x, Pass pass) {
    AttentionShape shape = shape(pass);
    Tensor p = project(x, shape, 0);
    Tensor h = heads.first(shape.tokens());
    attention.forward(shape, p, dropout(pass), h, statistics(shape));
    return h;
  }

  /**
   * Generation: attends from the new tokens of {@code x} to those in the cache and to themselves,
   * and appends them to the cache's block of this layer. No backward pass follows.
   *
   * @param x (sequences·length, width): the same number of new tokens of each sequence
   * @param result assigned {@code residual + forward(x)}, see {@link ResidualBranch#forward}
   */
  void forwardCached(Tensor x, Tensor residual, Pass pass, KeyValueCache cache, Tensor result) {
    AttentionShape shape = shape(pass);
    int position = cache.length();
    Tensor p = project(x, shape, position);
    Tensor h = heads.first(shape.tokens());
    Tensor keys = cache.keys(spec.layer());
    attention.forwardCached(shape, p, keys, cache.values(spec.layer()), position, h);
    out.forward(h, residual, result);
  }

  private Tensor project(Tensor x, AttentionShape shape, int start) {
    this.x = x;
    Tensor p = packed.first(shape.tokens());
    qkv.forward(x, null, p);
    if (spec.rotaryTheta() != 0) {
      embedding.rotary(shape, spec.rotaryTheta(), start, false, p);
    }
    return p;
  }

  @Override
  public Tensor backward(Tensor dy, Pass pass) {
    AttentionShape shape = shape(pass);
    int tokens = shape.tokens();
    Tensor p = packed.first(tokens);
    Tensor h = heads.first(tokens);
    Tensor dp = dpacked.first(tokens);
    // The gradient of the heads is used up before that of x is written: both live in dx.
    Tensor dh = dx.first(tokens);
    out.backward(h, dy, false, dh);
    attention.backward(shape, p, h, statistics(shape), dh, dropout(pass), dp);
    if (spec.rotaryTheta() != 0) {
      embedding.rotary(shape, spec.rotaryTheta(), 0, true, dp);
    }
    Tensor result = dx.first(tokens);
    qkv.backward(x, dp, false, result);
    return result;
  }

  private AttentionShape shape(Pass pass) {
    return new AttentionShape(
        pass.sequences(), pass.length(), spec.heads(), spec.headWidth(), spec.causal());
  }

  private Tensor statistics(AttentionShape shape) {
    int rows = shape.sequences() * shape.heads();
    return logSumExp.first(rows * shape.length()).reshape(rows, shape.length());
  }

  /** Draws are numbered by (sequence, head, i, j) in the run: heads·length of them to a token. */
  private AttentionOps.Dropout dropout(Pass pass) {
    if (spec.dropout() == 0 || !pass.training()) {
      return AttentionOps.Dropout.NONE;
    }
    long perToken = (long) spec.heads() * pass.length();
    return new AttentionOps.Dropout(spec.dropout(), pass.draws(stream, perToken));
  }

  @Override
  public void describe(LayerSummary.Sink sink) {
    qkv.describe(sink);
    // Two products of width multiply-adds with each of the tokens that a token sees on average.
    double seen = spec.causal() ? (spec.context() + 1) / 2.0 : spec.context();
    double flops = 2.0 * 2 * spec.width() * seen;
    String mask = spec.causal() ? "CausalAttention" : "Attention";
    String kind = "%s %d heads x %d".formatted(mask, spec.heads(), spec.headWidth());
    String positions = spec.rotaryTheta() == 0 ? "" : ", rotary";
    sink.row(new LayerSummary(spec.name(), kind + positions, 0, 0, flops));
    out.describe(sink);
  }
}
