package dev.sparrow.sparsity.moe;

import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;

/** Decides which of the router's choices are computed, and in which rows. */
public interface Dispatch {
  /** Takes memory for at most {@code tokens} tokens. */
  void reserve(Workspace workspace, int tokens);

  /**
   * Sorts the choices by expert; waits for the device, since the loads are wanted on the host.
   *
   * @param experts I32 (T, k); entries of assignments that are dropped become -1
   */
  Plan plan(Tensor experts);
}
