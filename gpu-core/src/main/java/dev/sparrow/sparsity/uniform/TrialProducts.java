package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.GroupedSparseOps;
import dev.sparrow.backend.SparseOps;
import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/**
 * A layer's three products in both forms, on tensors of its sizes; y stands for its own gradient.
 */
abstract class TrialProducts implements AutoCloseable {
  private final Workspace workspace;
  final Backend backend;
  final SparsePattern pattern;
  final Tensor x; // (rows, in)
  final Tensor y; // (rows, out)
  final Tensor dx; // (rows, in)
  final Tensor values; // (liveRows, fanIn)
  final Tensor dvalues; // (liveRows, fanIn)
  final Tensor w; // (out, in) or (matrices, out, in)
  final Tensor dw; // as w
  final Tensor bits;

  private TrialProducts(Backend backend, SparsePattern loaded, Shape whole, int rows) {
    this.backend = backend;
    this.pattern = loaded;
    this.workspace = new Workspace(backend);
    UniformPattern p = loaded.pattern();
    x = workspace.keep(rows, p.columns());
    y = workspace.keep(rows, whole.dim(-2));
    dx = workspace.keep(rows, p.columns());
    values = workspace.keep(p.liveRows(), p.fanIn());
    dvalues = workspace.keepFloat(p.liveRows(), p.fanIn());
    w = workspace.keep(whole.toArray());
    dw = workspace.keepFloat(whole.toArray());
    bits = kept(MaskBits.words(backend.hostLoop(), p));
    for (Tensor factor : new Tensor[] {x, values, w}) {
      backend.elementwise().fill(factor, 1);
    }
  }

  /**
   * @param matrices see {@link ProductTimer#time}
   */
  static TrialProducts of(Backend backend, UniformPattern pattern, int matrices, int rows) {
    return matrices == 1
        ? new Single(backend, pattern, rows)
        : new Grouped(backend, pattern, matrices, rows);
  }

  final Tensor kept(int[] host) {
    Tensor tensor = workspace.keep(DType.I32, host.length);
    backend.upload(host, 0, tensor);
    return tensor;
  }

  abstract void multiplySparse();

  abstract void multiplyWhole();

  @Override
  public void close() {
    pattern.close();
    workspace.close();
  }

  private static final class Single extends TrialProducts {
    Single(Backend backend, UniformPattern pattern, int rows) {
      super(
          backend,
          backend.sparse().load(pattern),
          Shape.of(pattern.rows(), pattern.columns()),
          rows);
    }

    @Override
    void multiplySparse() {
      SparseOps ops = backend.sparse();
      ops.forward(x, values, pattern, null, null, y);
      ops.backwardWeight(y, x, pattern, dvalues, null);
      ops.backwardInput(y, values, pattern, false, dx);
    }

    @Override
    void multiplyWhole() {
      backend.matmul().forward(x, w, null, null, y);
      backend.matmul().backwardWeight(y, x, dw, null);
      backend.sparse().mask(bits, dw);
      backend.matmul().backwardInput(y, w, false, dx);
    }
  }

  private static final class Grouped extends TrialProducts {
    private final Tensor offsets; // (matrices + 1)

    Grouped(Backend backend, UniformPattern pattern, int matrices, int rows) {
      super(
          backend,
          backend.groupedSparse().load(pattern, matrices),
          Shape.of(matrices, pattern.rowsOfEach(matrices), pattern.columns()),
          rows);
      int[] even = new int[matrices + 1];
      Arrays.setAll(even, e -> (int) ((long) rows * e / matrices));
      offsets = kept(even);
    }

    @Override
    void multiplySparse() {
      GroupedSparseOps ops = backend.groupedSparse();
      ops.forward(x, values, pattern, offsets, y);
      ops.backwardWeight(y, x, pattern, offsets, dvalues);
      ops.backwardInput(y, values, pattern, offsets, false, dx);
    }

    @Override
    void multiplyWhole() {
      backend.matmul().groupedForward(x, w, offsets, y);
      backend.matmul().groupedBackwardWeight(y, x, offsets, dw);
      backend.sparse().mask(bits, dw);
      backend.matmul().groupedBackwardInput(y, w, offsets, false, dx);
    }
  }
}
