package dev.sparrow.sparsity.moe;

import dev.sparrow.tensor.Tensor;

/**
 * Where the assignments of one pass go: sorted by expert, within an expert in the order of the
 * tokens. The arrays and tensors belong to the {@link Dispatch} and hold until its next plan.
 *
 * @param offsets I32 (E + 1): first row of each expert; the last is the number of rows in use
 * @param sorted I32 (P): the assignment at each row
 * @param starts the offsets on the host
 * @param load assignments that chose each expert, dropped ones counted too
 * @param dropped assignments that no expert takes
 */
public record Plan(Tensor offsets, Tensor sorted, int[] starts, int[] load, int dropped) {
  public int experts() {
    return starts.length - 1;
  }

  /** Rows in use. */
  public int rows() {
    return starts[experts()];
  }

  /** Rows of one expert. */
  public int rows(int expert) {
    return starts[expert + 1] - starts[expert];
  }
}
