package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.Backend;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/** Every choice is computed. */
public final class DroplessDispatch implements Dispatch {
  private final Backend backend;
  private final int topK;
  private final int[] starts;
  private final int[] load;
  private Tensor offsets;
  private Tensor sorted;

  public DroplessDispatch(Backend backend, int experts, int topK) {
    this.backend = backend;
    this.topK = topK;
    this.starts = new int[experts + 1];
    this.load = new int[experts];
  }

  @Override
  public void reserve(Workspace workspace, int tokens) {
    offsets = workspace.keep(DType.I32, starts.length);
    sorted = workspace.keep(DType.I32, Math.multiplyExact(tokens, topK));
  }

  @Override
  public Plan plan(Tensor experts) {
    Tensor rows = sorted.first(Math.toIntExact(experts.size()));
    backend.routing().sort(experts, offsets, rows);
    backend.downloadSync(offsets, starts, 0);
    for (int e = 0; e < load.length; e++) {
      load[e] = starts[e + 1] - starts[e];
    }
    return new Plan(offsets, rows, starts, load, 0);
  }
}
