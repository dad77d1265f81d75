package dev.sparrow.nn;

import dev.sparrow.backend.Activation;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * The matrices of all experts for one role, (experts, out, in), in the form that the method chose.
 * Rows {@code [offsets[e], offsets[e+1])} meet expert e; see {@link dev.sparrow.backend.MatmulOps}.
 */
public interface GroupedLinearWeight {
  /** The layer's dotted path. */
  String name();

  int groups();

  int in();

  int out();

  void parameters(Consumer<Parameter> sink);

  /** Names what is saved but not trained; dense weights have nothing. */
  default void buffers(Consumer<Buffer> sink) {}

  /** Takes memory of its own for at most {@code rows} rows over all groups. */
  void reserve(Workspace workspace, int rows);

  /** Whether {@link #forward} and {@link #backward} take an index of x's rows. */
  default boolean gathersRows() {
    return false;
  }

  /**
   * {@code y[rows of e] = x[rows of e]·W_eᵀ}.
   *
   * @param rows I32 (P): the row of x for each row of y; null: x has a row for each
   */
  void forward(Tensor x, Tensor rows, Tensor offsets, Tensor y);

  /**
   * {@code h[rows of e] = x[rows of e]·W_eᵀ}, {@code y = f(h)} in those rows.
   *
   * @param rows as in {@link #forward}
   */
  void activatedForward(Activation f, Tensor x, Tensor rows, Tensor offsets, Tensor h, Tensor y);

  /**
   * Adds the gradients of the weights and writes {@code dx[rows of e] = dy[rows of e]·W_e} ({@code
   * +=} with accumulate) unless dx is null.
   *
   * @param rows that of the forward pass; dx has a row for each of dy's in any case
   */
  void backward(Tensor x, Tensor rows, Tensor dy, Tensor offsets, boolean accumulate, Tensor dx);

  /**
   * As {@link #backward} where x = f(h), with the gradient of h for that of x: {@code dh[rows of e]
   * = (dy[rows of e]·W_e) ⊙ f'(h[rows of e])}.
   */
  void activatedBackward(Activation f, Tensor h, Tensor x, Tensor dy, Tensor offsets, Tensor dh);

  String kind();

  /** Of all groups together. */
  long parameterCount();

  /** Of those that may differ from zero. */
  default long activeParameterCount() {
    return parameterCount();
  }

  /** Of one row, which meets one expert; multiply and add counted as two. */
  double forwardFlopsPerRow();

  /**
   * Adds a row for inspection.
   *
   * @param topK groups that a token meets
   */
  default void describe(int topK, LayerSummary.Sink sink) {
    sink.row(
        new LayerSummary(
            name(),
            "%d experts, %d -> %d, %s".formatted(groups(), in(), out(), kind()),
            parameterCount(),
            activeParameterCount() * topK / groups(),
            topK * forwardFlopsPerRow()));
  }
}
