package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.Backend;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/** Every choice is computed, so that the number of rows is known before the choices are. */
public final class DroplessDispatch implements Dispatch {
  private final Backend backend;
  private final int topK;
  private final int[] starts;
  private Tensor offsets; // I32 (E + 1)
  private Tensor load; // I32 (E)
  private Tensor tokenOf; // I32 (P)
  private Tensor rowOf; // I32 (T, k)

  public DroplessDispatch(Backend backend, int experts, int topK) {
    this.backend = backend;
    this.topK = topK;
    this.starts = new int[experts + 1];
  }

  @Override
  public void reserve(Workspace workspace, int tokens) {
    offsets = workspace.keep(DType.I32, starts.length);
    load = workspace.keep(DType.I32, starts.length - 1);
    tokenOf = workspace.keep(DType.I32, Math.multiplyExact(tokens, topK));
    rowOf = workspace.keep(DType.I32, tokens, topK);
  }

  @Override
  public Plan plan(Tensor experts) {
    int assignments = Math.toIntExact(experts.size());
    Tensor tokens = tokenOf.first(assignments);
    Tensor rows = rowOf.first(experts.rows());
    backend.routing().sort(experts, offsets, tokens, rows);
    backend.routing().load(offsets, load);
    return new Plan(offsets, tokens, rows, load, assignments, 0, this::downloadStarts);
  }

  private int[] downloadStarts() {
    backend.downloadSync(offsets, starts, 0);
    return starts;
  }

  @Override
  public boolean recordable() {
    return true;
  }
}
