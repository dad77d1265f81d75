package dev.sparrow.bench;

import dev.sparrow.backend.Backend;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.moe.Experts;
import dev.sparrow.sparsity.moe.Plan;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * Measures the time spent in the experts; the rest of a layer is routing and permutation. Where ops
 * only queue their work it can be told to wait for the device on either side.
 */
final class TimedExperts implements Experts {
  private final Experts inner;
  private final Backend backend;
  private boolean waits;
  private long nanos;

  TimedExperts(Experts inner, Backend backend) {
    this.inner = inner;
    this.backend = backend;
  }

  /** Whether to wait for the device before and after the experts, from now on. */
  void waits(boolean waits) {
    this.waits = waits;
  }

  /** Time since the last call, then counted anew. */
  long takeNanos() {
    long taken = nanos;
    nanos = 0;
    return taken;
  }

  @Override
  public Tensor forward(Tensor x, Plan plan) {
    long start = now();
    Tensor y = inner.forward(x, plan);
    nanos += now() - start;
    return y;
  }

  @Override
  public Tensor backward(Tensor dy, Plan plan) {
    long start = now();
    Tensor dx = inner.backward(dy, plan);
    nanos += now() - start;
    return dx;
  }

  private long now() {
    if (waits) {
      backend.synchronize();
    }
    return System.nanoTime();
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
  public void buffers(Consumer<Buffer> sink) {
    inner.buffers(sink);
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
  public void describe(int topK, LayerSummary.Sink sink) {
    inner.describe(topK, sink);
  }
}
