package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Backend;
import dev.sparrow.nn.BatchNorm;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.Initializer;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.tensor.Shape;
import java.util.function.Consumer;

/**
 * The two factors of a matrix, or of those of all experts stacked, with one rank: {@code W ≈ U·V}.
 * Weight decay of the optimizer leaves them alone: see {@link FrobeniusDecay}.
 *
 * @param u {@code weight.u}, (out, rank) or (matrices, out, rank)
 * @param v {@code weight.v}, (rank, in) or (matrices, rank, in)
 * @param norm of what V gives before U takes it, {@code weight.norm}, (rank); null: none
 */
record Factors(int matrices, int out, int in, int rank, Parameter u, Parameter v, BatchNorm norm)
    implements AutoCloseable {
  /**
   * Factors whose product starts with the spec's deviation.
   *
   * @param spec of one matrix
   * @param matrices 1: factors are matrices themselves
   * @param stacked whether there is a first dimension for the matrices
   */
  static Factors of(LinearSpec spec, int matrices, boolean stacked, int rank) {
    int full = Math.min(spec.out(), spec.in());
    if (rank < 1 || rank > full) {
      throw new IllegalArgumentException(
          "%s: expected a rank of 1 to %d, the lesser of its sides, got %d"
              .formatted(spec.name(), full, rank));
    }
    // Elements of U·V are sums of rank products.
    Initializer start = Initializer.normal(Math.sqrt(spec.standardDeviation() / Math.sqrt(rank)));
    Shape u = Shape.of(spec.out(), rank);
    Shape v = Shape.of(rank, spec.in());
    return new Factors(
        matrices,
        spec.out(),
        spec.in(),
        rank,
        new Parameter(uName(spec), stacked ? stack(matrices, u) : u, start, false),
        new Parameter(vName(spec), stacked ? stack(matrices, v) : v, start, false),
        null);
  }

  /**
   * The same factors with a normalisation between them; the caller closes what it no longer needs.
   */
  Factors normalized(Backend backend, LinearSpec spec) {
    return new Factors(matrices, out, in, rank, u, v, new BatchNorm(backend, normName(spec), rank));
  }

  private static Shape stack(int matrices, Shape matrix) {
    return Shape.of(matrices, matrix.dim(0), matrix.dim(1));
  }

  static String uName(LinearSpec spec) {
    return spec.name() + ".weight.u";
  }

  static String vName(LinearSpec spec) {
    return spec.name() + ".weight.v";
  }

  static String normName(LinearSpec spec) {
    return spec.name() + ".weight.norm";
  }

  /** In the order of the forward pass. */
  void parameters(Consumer<Parameter> sink) {
    sink.accept(v);
    if (norm != null) {
      norm.parameters(sink);
    }
    sink.accept(u);
  }

  void buffers(Consumer<Buffer> sink) {
    if (norm != null) {
      norm.buffers(sink);
    }
  }

  long size() {
    return u.size() + v.size() + (norm == null ? 0 : norm.size());
  }

  /** Of one row, which meets one matrix; multiply and add counted as two. */
  double forwardFlopsPerRow() {
    return 2.0 * rank * (out + in);
  }

  String kind() {
    return "low-rank, rank " + rank + (norm == null ? "" : ", batch-normalised");
  }

  @Override
  public void close() {
    if (norm != null) {
      norm.close();
    }
  }
}
