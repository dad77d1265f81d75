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
  private final int[] load;
  private Tensor kept; // I32 (T·k)
  private Tensor offsets; // I32 (E + 1)
  private Tensor chosen; // I32 (E)
  private Tensor sorted; // I32 (P)
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
    this.load = new int[experts];
  }

  @Override
  public void reserve(Workspace workspace, int tokens) {
    int assignments = Math.multiplyExact(tokens, topK);
    kept = workspace.keep(DType.I32, assignments);
    offsets = workspace.keep(DType.I32, starts.length);
    chosen = workspace.keep(DType.I32, load.length);
    sorted = workspace.keep(DType.I32, assignments);
    choices = new int[assignments];
    rows = new int[assignments];
  }

  /** Slots of one expert for the assignments of one pass. */
  int capacity(int assignments) {
    return (int) Math.min(assignments, Math.ceil(factor * assignments / load.length));
  }

  @Override
  public Plan plan(Tensor experts) {
    int assignments = Math.toIntExact(experts.size());
    Tensor order = sorted.first(assignments);
    Tensor kept = this.kept.first(assignments).reshape(experts.rows(), topK);
    sort(experts, order);
    backend.routing().load(offsets, chosen);
    for (int e = 0; e < load.length; e++) {
      load[e] = starts[e + 1] - starts[e];
    }
    int dropped = drop(experts, order, capacity(assignments), kept);
    if (dropped > 0) {
      sort(kept, order);
    }
    int rows = starts[load.length];
    return new Plan(offsets, order, chosen, rows, dropped, () -> starts);
  }

  @Override
  public boolean recordable() {
    return false;
  }

  private void sort(Tensor experts, Tensor order) {
    backend.routing().sort(experts, offsets, order);
    backend.downloadSync(offsets, starts, 0);
  }

  /** The sort is stable, so the rows past an expert's capacity are its latest tokens. */
  private int drop(Tensor experts, Tensor order, int capacity, Tensor kept) {
    backend.downloadSync(experts, choices, 0);
    backend.downloadSync(order, rows, 0);
    int dropped = 0;
    for (int e = 0; e < load.length; e++) {
      for (int row = starts[e] + capacity; row < starts[e + 1]; row++) {
        choices[rows[row]] = -1;
        dropped++;
      }
    }
    backend.upload(choices, 0, kept);
    return dropped;
  }
}
