package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.Backend;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * Other experts on rows that are padded with zeros; the padding is computed like any row. Zero rows
 * in x and in dy keep it out of every weight gradient.
 */
public final class PaddedExperts implements Experts {
  private final Backend backend;
  private final Experts inner;
  private final Padding padding;
  private final int width;
  private final int[] starts;
  private Plan padded;
  private Tensor offsets; // I32 (E + 1)
  private Tensor x; // (padded P, width)
  private Tensor y; // (P, width)
  private Tensor dy; // (padded P, width), scratch
  private Tensor dx; // (P, width), scratch

  /**
   * @param width columns of input and output
   */
  public PaddedExperts(Backend backend, Experts inner, Padding padding, int width) {
    this.backend = backend;
    this.inner = inner;
    this.padding = padding;
    this.width = width;
    this.starts = new int[inner.count() + 1];
  }

  @Override
  public int count() {
    return inner.count();
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
    int bound = padding.bound(rows, count());
    inner.reserve(workspace, bound);
    offsets = workspace.keep(DType.I32, starts.length);
    x = workspace.keep(bound, width);
    y = workspace.keep(rows, width);
    dy = workspace.scratch("moe.padded.dy", bound, width);
    dx = workspace.scratch("moe.padded.dx", rows, width);
  }

  @Override
  public Tensor forward(Tensor x, Plan plan) {
    padding.pad(plan.startsSync(), starts);
    backend.upload(starts, 0, offsets);
    int used = starts[count()];
    padded = new Plan(offsets, null, plan.rowOf(), plan.load(), used, plan.dropped(), () -> starts);
    Tensor wide = this.x.first(padded.rows());
    spread(x, plan, wide);
    Tensor out = y.first(x.rows());
    collect(inner.forward(wide, padded), plan, out);
    return out;
  }

  @Override
  public Tensor backward(Tensor dy, Plan plan) {
    Tensor wide = this.dy.first(padded.rows());
    spread(dy, plan, wide);
    Tensor out = dx.first(dy.rows());
    collect(inner.backward(wide, padded), plan, out);
    return out;
  }

  /** Copies each expert's rows to its padded place; the rest is zero. */
  private void spread(Tensor rows, Plan plan, Tensor wide) {
    backend.elementwise().fill(wide, 0);
    int[] from = plan.startsSync();
    for (int e = 0; e < count(); e++) {
      int n = from[e + 1] - from[e];
      if (n > 0) {
        backend.elementwise().copy(rows.slice(from[e], n), wide.slice(starts[e], n));
      }
    }
  }

  /** Copies each expert's rows back, without the padding. */
  private void collect(Tensor wide, Plan plan, Tensor rows) {
    int[] to = plan.startsSync();
    for (int e = 0; e < count(); e++) {
      int n = to[e + 1] - to[e];
      if (n > 0) {
        backend.elementwise().copy(wide.slice(starts[e], n), rows.slice(to[e], n));
      }
    }
  }

  /** The padding is laid out on the host. */
  @Override
  public boolean recordable() {
    return false;
  }

  /** Of the rows in use; padding, which depends on the load, comes on top. */
  @Override
  public void describe(int topK, LayerSummary.Sink sink) {
    inner.describe(topK, row -> sink.row(row.withKind("padded, " + row.kind())));
  }
}
