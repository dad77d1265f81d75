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
  private final Branch<SelfAttention> attention;
  private final Branch<?> feedForward;
  private Tensor middle; // (tokens, width)
  private Tensor y; // (tokens, width)
  private Tensor dropped; // (tokens, width), scratch; null without dropout

  /**
   * The halves of a block: a norm, what it feeds, and the dropout of the result.
   *
   * @param layer takes and returns (tokens, width)
   */
  public record Branch<T extends ResidualBranch>(Norm norm, T layer, Dropout dropout) {
    void parameters(Consumer<Parameter> sink) {
      norm.parameters(sink);
      layer.parameters(sink);
    }

    void reserve(Workspace workspace, int tokens) {
      norm.reserve(workspace, tokens);
      layer.reserve(workspace, tokens);
    }

    void describe(LayerSummary.Sink sink) {
      norm.describe(sink);
      layer.describe(sink);
    }
  }

  public Block(Backend backend, int width, Branch<SelfAttention> attention, Branch<?> feedForward) {
    this.elementwise = backend.elementwise();
    this.width = width;
    this.attention = attention;
    this.feedForward = feedForward;
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    attention.parameters(sink);
    feedForward.parameters(sink);
  }

  @Override
  public void buffers(Consumer<Buffer> sink) {
    attention.layer().buffers(sink);
    feedForward.layer().buffers(sink);
  }

  @Override
  public void reserve(Workspace workspace, int tokens) {
    middle = workspace.keep(tokens, width);
    y = workspace.keep(tokens, width);
    if (attention.dropout().enabled() || feedForward.dropout().enabled()) {
      dropped = workspace.scratch("block.dropped", tokens, width);
    }
    attention.reserve(workspace, tokens);
    feedForward.reserve(workspace, tokens);
  }

  @Override
  public Tensor forward(Tensor x, Pass pass) {
    return feed(join(attention, x, pass, middle.first(pass.tokens())), pass);
  }

  /** Generation: as {@link #forward}, with the tokens before x in the cache. */
  public Tensor forwardCached(Tensor x, Pass pass, KeyValueCache cache) {
    Tensor m = middle.first(pass.tokens());
    attention.layer().forwardCached(attention.norm().forward(x), x, pass, cache, m);
    return feed(m, pass);
  }

  private Tensor feed(Tensor m, Pass pass) {
    return join(feedForward, m, pass, y.first(pass.tokens()));
  }

  /** {@code result = x + drop(layer(norm(x)))}; without dropout the layer adds x itself. */
  private Tensor join(Branch<?> branch, Tensor x, Pass pass, Tensor result) {
    Tensor normed = branch.norm().forward(x);
    if (branch.dropout().drops(pass)) {
      Tensor out = branch.layer().forward(normed, pass);
      elementwise.add(x, branch.dropout().apply(out, pass, out), result);
    } else {
      branch.layer().forward(normed, x, pass, result);
    }
    return result;
  }

  /**
   * @param dy (tokens, width), turned into the gradient of x
   * @return dy
   */
  @Override
  public Tensor backward(Tensor dy, Pass pass) {
    backward(feedForward, dy, pass);
    backward(attention, dy, pass);
    return dy;
  }

  /** Adds to the residual path's gradient what comes back through the branch. */
  private void backward(Branch<?> branch, Tensor dy, Pass pass) {
    Tensor masked = dropped == null ? null : dropped.first(pass.tokens());
    Tensor dbranch = branch.dropout().apply(dy, pass, masked);
    branch.norm().backward(branch.layer().backward(dbranch, pass), true, dy);
  }

  @Override
  public boolean recordable() {
    return attention.layer().recordable() && feedForward.layer().recordable();
  }

  @Override
  public void figures(FigureSink sink) {
    feedForward.layer().figures(sink);
  }

  @Override
  public void describe(LayerSummary.Sink sink) {
    attention.describe(sink);
    feedForward.describe(sink);
  }
}
