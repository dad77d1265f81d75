package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ElementwiseOps;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * A pre-norm transformer block: {@code m = x + drop(attention(norm1(x)))}, {@code y = m +
 * drop(feedForward(norm2(m)))}.
 *
 * <p>m and y are kept: they are the inputs of the next norms' backward passes. Going back, the
 * gradient of the residual stream is one tensor that both norms add to in place.
 */
public final class Block implements Layer {
  private final ElementwiseOps elementwise;
  private final int width;
  private final Norm attentionNorm;
  private final CausalSelfAttention attention;
  private final Dropout attentionDropout;
  private final Norm feedForwardNorm;
  private final Layer feedForward;
  private final Dropout feedForwardDropout;
  private Tensor middle; // (tokens, width)
  private Tensor y; // (tokens, width)
  private Tensor dropped; // (tokens, width), scratch; null without dropout

  /**
   * The halves of a block: a norm, what it feeds, and the dropout of the result.
   *
   * @param layer takes and returns (tokens, width)
   */
  public record Branch<T extends Layer>(Norm norm, T layer, Dropout dropout) {}

  public Block(
      Backend backend,
      int width,
      Branch<CausalSelfAttention> attention,
      Branch<? extends Layer> feedForward) {
    this.elementwise = backend.elementwise();
    this.width = width;
    this.attentionNorm = attention.norm();
    this.attention = attention.layer();
    this.attentionDropout = attention.dropout();
    this.feedForwardNorm = feedForward.norm();
    this.feedForward = feedForward.layer();
    this.feedForwardDropout = feedForward.dropout();
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    attentionNorm.parameters(sink);
    attention.parameters(sink);
    feedForwardNorm.parameters(sink);
    feedForward.parameters(sink);
  }

  @Override
  public void buffers(Consumer<Buffer> sink) {
    feedForward.buffers(sink);
  }

  @Override
  public void reserve(Workspace workspace, int tokens) {
    middle = workspace.keep(tokens, width);
    y = workspace.keep(tokens, width);
    if (attentionDropout.enabled() || feedForwardDropout.enabled()) {
      dropped = workspace.scratch("block.dropped", tokens, width);
    }
    attentionNorm.reserve(workspace, tokens);
    attention.reserve(workspace, tokens);
    feedForwardNorm.reserve(workspace, tokens);
    feedForward.reserve(workspace, tokens);
  }

  @Override
  public Tensor forward(Tensor x, Pass pass) {
    return finish(x, attention.forward(attentionNorm.forward(x), pass), pass);
  }

  /** Generation: as {@link #forward}, with the tokens before x in the cache. */
  public Tensor forwardCached(Tensor x, Pass pass, KeyValueCache cache) {
    return finish(x, attention.forwardCached(attentionNorm.forward(x), pass, cache), pass);
  }

  private Tensor finish(Tensor x, Tensor attended, Pass pass) {
    Tensor m = middle.first(pass.tokens());
    elementwise.add(x, attentionDropout.apply(attended, pass, attended), m);
    Tensor fed = feedForward.forward(feedForwardNorm.forward(m), pass);
    Tensor result = y.first(pass.tokens());
    elementwise.add(m, feedForwardDropout.apply(fed, pass, fed), result);
    return result;
  }

  /**
   * @param dy (tokens, width), turned into the gradient of x
   * @return dy
   */
  @Override
  public Tensor backward(Tensor dy, Pass pass) {
    Tensor masked = dropped == null ? null : dropped.first(pass.tokens());
    Tensor dfed = feedForwardDropout.apply(dy, pass, masked);
    feedForwardNorm.backward(feedForward.backward(dfed, pass), true, dy);
    Tensor dattended = attentionDropout.apply(dy, pass, masked);
    attentionNorm.backward(attention.backward(dattended, pass), true, dy);
    return dy;
  }

  @Override
  public boolean recordable() {
    return attention.recordable() && feedForward.recordable();
  }

  @Override
  public void figures(FigureSink sink) {
    feedForward.figures(sink);
  }

  @Override
  public void describe(LayerSummary.Sink sink) {
    attentionNorm.describe(sink);
    attention.describe(sink);
    feedForwardNorm.describe(sink);
    feedForward.describe(sink);
  }
}
