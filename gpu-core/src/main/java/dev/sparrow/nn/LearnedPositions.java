package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.EmbeddingOps;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/** A trained row for each position, added to the embeddings (GPT-2). */
public final class LearnedPositions {
  private final EmbeddingOps ops;
  private final String name;
  private final Parameter weight; // (context, width)

  /**
   * @param spec in: positions, out: width
   */
  public LearnedPositions(Backend backend, LinearSpec spec) {
    this.ops = backend.embedding();
    this.name = spec.name();
    this.weight =
        Parameter.matrix(
            name + ".weight", Initializer.normal(spec.standardDeviation()), spec.in(), spec.out());
  }

  public void parameters(Consumer<Parameter> sink) {
    sink.accept(weight);
  }

  /**
   * {@code x[b·length + t] += weight[start + t]}.
   *
   * @param x (sequences·length, width), changed in place
   * @param start position of each sequence's first row; not 0 behind a key-value cache
   */
  public void forward(Tensor x, int length, int start) {
    ops.addPositions(weight.operand(), length, start, x);
  }

  /** {@code dweight[t] += Σ_b dx[b·length + t]}; the input's gradient is dx itself. */
  public void backward(Tensor dx, int length) {
    ops.addPositionsBackward(dx, length, 0, weight.gradient());
  }

  public void describe(LayerSummary.Sink sink) {
    String kind =
        "LearnedPositions %d x %d".formatted(weight.shape().dim(0), weight.shape().dim(1));
    sink.row(new LayerSummary(name, kind, weight.size(), weight.size(), 0));
  }
}
