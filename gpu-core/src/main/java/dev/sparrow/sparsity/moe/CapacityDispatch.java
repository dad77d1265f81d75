package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.Backend;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/**
 * An expert takes at most {@code ceil(factor·T·k/E)} assignments, those of the earlier tokens
 * first; the others are dropped and their tokens pass by (Fedus et al. 2022, §2.2). For comparison
 * with {@link DroplessDispatch}.
 */
public final class CapacityDispatch implements Dispatch {
  private final Backend backend;
  private final int topK;
  private final double factor;
  private final int[] starts;
  private Tensor kept; // I32 (T, k)
  private Tensor offsets; // I32 (E + 1)
  private Tensor chosen; // I32 (E)
  private Tensor tokenOf; // I32 (P)
  private Tensor rowOf; // I32 (T, k)
  private int[] choices;
  private int[] rows;

  public CapacityDispatch(Backend backend, int experts, int topK, double factor) {
    if (!(factor > 0)) {
      throw new IllegalArgumentException(
          "moe.capacity-factor: expected a number > 0, got " + factor);
    }
    this.backend = backend;
    this.topK = topK;
    this.factor = factor;
    this.starts = new int[experts + 1];
  }

  @Override
  public void reserve(Workspace workspace, int tokens) {
    int assignments = Math.multiplyExact(tokens, topK);
    kept = workspace.keep(DType.I32, tokens, topK);
    offsets = workspace.keep(DType.I32, starts.length);
    chosen = workspace.keep(DType.I32, starts.length - 1);
    tokenOf = workspace.keep(DType.I32, assignments);
    rowOf = workspace.keep(DType.I32, tokens, topK);
    choices = new int[assignments];
    rows = new int[assignments];
  }

  /** Slots of one expert for the assignments of one pass. */
  int capacity(int assignments) {
    return (int) Math.min(assignments, Math.ceil(factor * assignments / (starts.length - 1)));
  }

  @Override
  public Plan plan(Tensor experts) {
    int assignments = Math.toIntExact(experts.size());
    Tensor tokens = tokenOf.first(assignments);
    Tensor places = rowOf.first(experts.rows());
    sort(experts, tokens, places);
    backend.routing().load(offsets, chosen);
    int dropped = drop(experts, places, capacity(assignments));
    if (dropped > 0) {
      Tensor kept = this.kept.first(experts.rows());
      backend.upload(choices, 0, kept);
      sort(kept, tokens, places);
    }
    return new Plan(
        offsets, tokens, places, chosen, starts[starts.length - 1], dropped, () -> starts);
  }

  @Override
  public boolean recordable() {
    return false;
  }

  private void sort(Tensor experts, Tensor tokens, Tensor places) {
    backend.routing().sort(experts, offsets, tokens, places);
    backend.downloadSync(offsets, starts, 0);
  }

  /**
   * Marks what does not fit in {@link #choices}: the sort is stable, so the rows past an expert's
   * capacity are its latest tokens.
   */
  private int drop(Tensor experts, Tensor places, int capacity) {
    backend.downloadSync(experts, choices, 0);
    backend.downloadSync(places, rows, 0);
    int dropped = 0;
    for (int a = 0; a < experts.size(); a++) {
      if (rows[a] - starts[choices[a]] >= capacity) {
        choices[a] = -1;
        dropped++;
      }
    }
    return dropped;
  }
}
