package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.EmbeddingOps;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/** A row of the table for each token id. A tied head shares its parameter. */
public final class Embedding {
  private final EmbeddingOps ops;
  private final String name;
  private final Parameter weight; // (vocabulary, width)
  private Tensor y; // (tokens, width)

  /**
   * @param spec in: vocabulary, out: width
   */
  public Embedding(Backend backend, LinearSpec spec) {
    this.ops = backend.embedding();
    this.name = spec.name();
    this.weight =
        Parameter.matrix(
                name + ".weight",
                Initializer.normal(spec.standardDeviation()),
                spec.in(),
                spec.out())
            .withRowMultiple(backend.columnMultiple()); // a tied head's classes
  }

  /** The table, (vocabulary, width). */
  public Parameter weight() {
    return weight;
  }

  public void parameters(Consumer<Parameter> sink) {
    sink.accept(weight);
  }

  /** Takes memory for passes of at most {@code tokens} rows. */
  public void reserve(Workspace workspace, int tokens) {
    y = workspace.keep(tokens, weight.shape().dim(1));
  }

  /**
   * {@code y_i = table[ids_i]}.
   *
   * @param ids I32 (tokens), each in [0, vocabulary)
   * @return (tokens, width), the layer's own buffer, which the caller may change
   */
  public Tensor forward(Tensor ids) {
    Tensor out = y.first(ids.rows() * ids.columns());
    ops.forward(ids, weight.operand(), out);
    return out;
  }

  /** {@code dtable[ids_i] += dy_i}. */
  public void backward(Tensor ids, Tensor dy) {
    ops.backward(ids, dy, weight.gradient());
  }

  public void describe(LayerSummary.Sink sink) {
    String kind = "Embedding %d x %d".formatted(weight.shape().dim(0), weight.shape().dim(1));
    sink.row(new LayerSummary(name, kind, weight.size(), weight.size(), 0));
  }
}
