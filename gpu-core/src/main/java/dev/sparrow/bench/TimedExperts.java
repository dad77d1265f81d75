package dev.sparrow.bench;

import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.moe.Experts;
import dev.sparrow.sparsity.moe.Plan;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/** Measures the time spent in the experts; the rest of a layer is routing and permutation. */
final class TimedExperts implements Experts {
  private final Experts inner;
  private long nanos;

  TimedExperts(Experts inner) {
    this.inner = inner;
  }

  /** Time since the last call, then counted anew. */
  long takeNanos() {
    long taken = nanos;
    nanos = 0;
    return taken;
  }

  @Override
  public Tensor forward(Tensor x, Plan plan) {
    long start = System.nanoTime();
    Tensor y = inner.forward(x, plan);
    nanos += System.nanoTime() - start;
    return y;
  }

  @Override
  public Tensor backward(Tensor dy, Plan plan) {
    long start = System.nanoTime();
    Tensor dx = inner.backward(dy, plan);
    nanos += System.nanoTime() - start;
    return dx;
  }

  @Override
  public int count() {
    return inner.count();
  }

  @Override
  public boolean gathersRows() {
    return inner.gathersRows();
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    inner.parameters(sink);
  }

  @Override
  public void reserve(Workspace workspace, int rows) {
    inner.reserve(workspace, rows);
  }

  @Override
  public boolean recordable() {
    return false; // times on the host
  }

  @Override
  public String kind() {
    return inner.kind();
  }

  @Override
  public long parameterCount() {
    return inner.parameterCount();
  }

  @Override
  public double forwardFlopsPerRow() {
    return inner.forwardFlopsPerRow();
  }
}
