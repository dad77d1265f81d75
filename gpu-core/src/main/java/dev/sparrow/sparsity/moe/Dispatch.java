package dev.sparrow.sparsity.moe;

import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;

/** Decides which of the router's choices are computed, and in which rows. */
public interface Dispatch {
  /** Takes memory for at most {@code tokens} tokens. */
  void reserve(Workspace workspace, int tokens);

  /**
   * Sorts the choices by expert.
   *
   * @param experts I32 (T, k), left as it is: the router's backward pass wants the choice, dropped
   *     or not
   */
  Plan plan(Tensor experts);

  /** Whether {@link #plan} neither waits for the device nor decides anything on the host. */
  boolean recordable();
}
