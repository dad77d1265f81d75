package dev.sparrow.sparsity.moe;

import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/** The feed-forward networks of all experts, applied to rows that are sorted by expert. */
public interface Experts {
  /** Number of experts. */
  int count();

  void parameters(Consumer<Parameter> sink);

  /** Names what is saved but not trained: the patterns of sparse weights. */
  default void buffers(Consumer<Buffer> sink) {}

  /** Takes memory for at most {@code rows} rows over all experts. */
  void reserve(Workspace workspace, int rows);

  /** Whether {@link #forward} reads the tokens' rows where they lie, by {@link Plan#tokenOf}. */
  default boolean gathersRows() {
    return false;
  }

  /**
   * {@code y[rows of e] = expert_e(x[rows of e])}.
   *
   * @param x (P, width), or (T, width) where the plan tells the token of each row; left as it is
   *     until backward; rows past those of the plan are not read
   * @return (P, width), the experts' own buffer; rows past those of the plan are undefined
   */
  Tensor forward(Tensor x, Plan plan);

  /**
   * Adds the gradients of the weights.
   *
   * @param dy (P, width)
   * @param plan that of the forward pass
   * @return dx (P, width), scratch; rows past those of the plan are undefined
   */
  Tensor backward(Tensor dy, Plan plan);

  /** As {@link dev.sparrow.nn.Layer#recordable}. */
  default boolean recordable() {
    return true;
  }

  /**
   * Adds a row for each matrix of the experts for inspection.
   *
   * @param topK experts that a token meets
   */
  void describe(int topK, LayerSummary.Sink sink);
}
