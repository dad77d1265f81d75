package dev.sparrow.model;

import dev.sparrow.nn.Block;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.FigureSink;
import dev.sparrow.nn.KeyValueCache;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Norm;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;
import java.util.List;
import java.util.function.Consumer;

/** Pre-norm blocks and the norm behind the last: what is the same in every transformer. */
final class TransformerStack {
  private final int width;
  private final List<Block> blocks;
  private final Norm norm;
  private final List<PartParameters> blockParameters;
  private final PartParameters normParameters;
  private Tensor gradient; // (rows, width), of the residual stream

  TransformerStack(int width, List<Block> blocks, Norm norm) {
    this.width = width;
    this.blocks = List.copyOf(blocks);
    this.norm = norm;
    this.blockParameters =
        blocks.stream().map(block -> new PartParameters(block::parameters)).toList();
    this.normParameters = new PartParameters(norm::parameters);
  }

  void parameters(Consumer<Parameter> sink) {
    blocks.forEach(block -> block.parameters(sink));
    norm.parameters(sink);
  }

  void parametersChanged() {
    blockParameters.forEach(PartParameters::refresh);
  }

  void buffers(Consumer<Buffer> sink) {
    blocks.forEach(block -> block.buffers(sink));
  }

  boolean recordable() {
    return blocks.stream().allMatch(Block::recordable);
  }

  void reserve(Workspace workspace, int rows) {
    blocks.forEach(block -> block.reserve(workspace, rows));
    norm.reserve(workspace, rows);
    gradient = workspace.keep(rows, width);
  }

  /**
   * @param x (rows, width); must stay as it is until backward
   * @return (rows, width), the norm's own buffer
   */
  Tensor forward(Tensor x, Pass pass) {
    Tensor y = x;
    for (Block block : blocks) {
      y = block.forward(y, pass);
    }
    return norm.forward(y);
  }

  /** Generation: as {@link #forward}, with the tokens before x in the cache, which takes x's. */
  Tensor forwardCached(Tensor x, Pass pass, KeyValueCache cache) {
    Tensor y = x;
    for (Block block : blocks) {
      y = block.forwardCached(y, pass, cache);
    }
    cache.advance(pass.length());
    return norm.forward(y);
  }

  /**
   * @param dy (rows, width)
   * @param complete told each part's parameters as soon as its gradients are complete
   * @return (rows, width), the stack's own buffer, which the caller may change
   */
  Tensor backward(Tensor dy, Pass pass, Consumer<Parameter> complete) {
    Tensor dx = gradient.first(pass.tokens());
    norm.backward(dy, false, dx);
    normParameters.complete(complete);
    for (int i = blocks.size() - 1; i >= 0; i--) {
      blocks.get(i).backward(dx, pass);
      blockParameters.get(i).complete(complete);
    }
    return dx;
  }

  void figures(FigureSink sink) {
    blocks.forEach(block -> block.figures(sink));
  }

  void describe(LayerSummary.Sink sink) {
    blocks.forEach(block -> block.describe(sink));
    norm.describe(sink);
  }
}
