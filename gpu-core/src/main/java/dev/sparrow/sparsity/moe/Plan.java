package dev.sparrow.sparsity.moe;

import dev.sparrow.tensor.Tensor;
import java.util.function.Supplier;

/**
 * Where the assignments of one pass go: sorted by expert, within an expert in the order of the
 * tokens. All of it is on the device; what the host must know to go on, it knows without asking.
 * The tensors and arrays belong to the {@link Dispatch} and hold until its next plan.
 *
 * @param offsets I32 (E + 1): first row of each expert; the last is the number of rows in use
 * @param tokenOf I32 (P): the token of each row in use, where experts read x (T, width) by it; null
 *     where x has a row for each
 * @param rowOf I32 (T, k): the row of each assignment, -1 where it was dropped
 * @param load I32 (E): assignments that chose each expert, dropped ones counted too
 * @param rows rows in use
 * @param dropped assignments that no expert takes
 * @param hostOffsets gives the offsets on the host
 */
public record Plan(
    Tensor offsets,
    Tensor tokenOf,
    Tensor rowOf,
    Tensor load,
    int rows,
    int dropped,
    Supplier<int[]> hostOffsets) {
  /** This plan for an x that was gathered. */
  Plan gathered() {
    return new Plan(offsets, null, rowOf, load, rows, dropped, hostOffsets);
  }

  /** Rows that experts make of x, those not in use included. */
  int rowsFor(Tensor x) {
    return tokenOf == null ? x.rows() : (int) tokenOf.size();
  }

  /** First row of each expert and the end, E + 1 values; may wait for the device. */
  public int[] startsSync() {
    return hostOffsets.get();
  }
}
