package dev.sparrow.model;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.ModelShape;
import dev.sparrow.config.ModelShape.NormKind;
import dev.sparrow.config.ModelShape.Positions;
import dev.sparrow.nn.AttentionSpec;
import dev.sparrow.nn.Block;
import dev.sparrow.nn.CrossEntropyHead;
import dev.sparrow.nn.Dropout;
import dev.sparrow.nn.Embedding;
import dev.sparrow.nn.FeedForwardSpec;
import dev.sparrow.nn.Initializer;
import dev.sparrow.nn.LayerNorm;
import dev.sparrow.nn.LearnedPositions;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Norm;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ResidualBranch;
import dev.sparrow.nn.RmsNorm;
import dev.sparrow.nn.SelfAttention;
import dev.sparrow.sparsity.Method;
import java.util.ArrayList;
import java.util.List;

/**
 * Makes and names the layers of a transformer.
 *
 * <p>Weights start as GPT-2's: N(0, d²), and d / sqrt(2·layers) for the output sides of residual
 * branches, of which there are two a block.
 *
 * @param length of the longest sequence
 * @param causal whether a token sees those up to itself alone
 */
record TransformerParts(
    Backend backend, ModelShape shape, int length, boolean causal, Method method) {
  Embedding embedding(int vocabulary) {
    LinearSpec table =
        new LinearSpec("embedding", vocabulary, shape.width(), shape.initialDeviation());
    return new Embedding(backend, table);
  }

  /** Null where positions are rotary, which attention sees to. */
  LearnedPositions positions() {
    if (shape.positions() == Positions.ROTARY) {
      return null;
    }
    LinearSpec table = new LinearSpec("positions", length, shape.width(), shape.initialDeviation());
    return new LearnedPositions(backend, table);
  }

  TransformerStack stack() {
    List<Block> blocks = new ArrayList<>();
    for (int layer = 0; layer < shape.layers(); layer++) {
      blocks.add(block("blocks." + layer, layer));
    }
    return new TransformerStack(shape.width(), blocks, norm("norm"));
  }

  private Block block(String name, int layer) {
    String attending = name + ".attention";
    String feeding = name + ".feed_forward";
    SelfAttention attention =
        new SelfAttention(backend, attentionSpec(attending, layer), method::linearWeight);
    ResidualBranch feedForward = method.feedForward(feedForwardSpec(feeding, layer));
    return new Block(
        backend,
        shape.width(),
        new Block.Branch<>(norm(name + ".norm1"), attention, dropout(attending)),
        new Block.Branch<>(norm(name + ".norm2"), feedForward, dropout(feeding)));
  }

  private AttentionSpec attentionSpec(String name, int layer) {
    return new AttentionSpec(
        name,
        layer,
        shape.width(),
        shape.heads(),
        length,
        causal,
        shape.bias(),
        shape.positions() == Positions.ROTARY ? shape.rotaryTheta() : 0,
        shape.dropout(),
        shape.initialDeviation(),
        outputDeviation());
  }

  private FeedForwardSpec feedForwardSpec(String name, int layer) {
    return new FeedForwardSpec(
        name,
        layer,
        shape.width(),
        shape.hiddenColumns(),
        shape.activation(),
        shape.gated(),
        shape.bias(),
        shape.initialDeviation(),
        outputDeviation());
  }

  private double outputDeviation() {
    return shape.initialDeviation() / Math.sqrt(2.0 * shape.layers());
  }

  /** Of what {@code part} gives. */
  Dropout dropout(String part) {
    return new Dropout(backend, part + ".dropout", shape.dropout());
  }

  private Norm norm(String name) {
    return shape.norm() == NormKind.LAYER
        ? new LayerNorm(backend, name, shape.width(), shape.normEpsilon(), shape.bias())
        : new RmsNorm(backend, name, shape.width(), shape.normEpsilon());
  }

  /** Always dense: a method's forms are for the blocks, as in the papers. */
  CrossEntropyHead head(Embedding embedding, int vocabulary, long logitBytes) {
    boolean tied = shape.tiedHead();
    Parameter weight = tied ? embedding.weight() : headWeight(vocabulary);
    return new CrossEntropyHead(backend, "head", weight, tied, logitBytes);
  }

  private Parameter headWeight(int vocabulary) {
    Initializer start = Initializer.normal(shape.initialDeviation());
    return Parameter.matrix("head.weight", start, vocabulary, shape.width())
        .withRowMultiple(backend.columnMultiple());
  }
}
