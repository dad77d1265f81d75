package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.nn.DenseGroupedWeight;
import dev.sparrow.nn.GroupedLinearWeight;
import dev.sparrow.nn.Initializer;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;

/**
 * A {@link SparsifiedWeight} that is the matrices of all experts, (groups, out, in): one pattern of
 * groups·out rows, of one fan-in. Reads x where it has a row for each of y in every form, so that
 * the memory that the layer took serves them all.
 */
final class SparsifiedGroupedWeight extends SparsifiedWeight implements GroupedLinearWeight {
  private final int groups;
  private GroupedLinearWeight form;

  /** Dense. */
  SparsifiedGroupedWeight(Backend backend, LinearSpec spec, PatternFormat format) {
    super(backend, spec, format, Shape.of(format.matrices(), spec.out(), spec.in()));
    this.groups = format.matrices();
    becomeDense();
  }

  @Override
  Parameter useWhole(Initializer start) {
    DenseGroupedWeight whole = new DenseGroupedWeight(backend(), spec(), groups, start);
    form = whole;
    return whole.weight();
  }

  @Override
  void useSparse(UniformValues values) {
    form = new UniformSparseGroupedWeight(backend().groupedSparse(), spec(), groups, values);
  }

  @Override
  SparsePattern load(UniformPattern pattern) {
    return backend().groupedSparse().load(pattern, groups);
  }

  @Override
  public String name() {
    return spec().name();
  }

  @Override
  public int groups() {
    return groups;
  }

  @Override
  public void reserve(Workspace workspace, int rows) {
    reserved(rows);
    form.reserve(workspace, rows);
  }

  @Override
  public void forward(Tensor x, Tensor rows, Tensor offsets, Tensor y) {
    form.forward(x, rows, offsets, y);
  }

  @Override
  public void activatedForward(
      Activation f, Tensor x, Tensor rows, Tensor offsets, Tensor h, Tensor y) {
    form.activatedForward(f, x, rows, offsets, h, y);
  }

  @Override
  public void backward(
      Tensor x, Tensor rows, Tensor dy, Tensor offsets, boolean accumulate, Tensor dx) {
    addWholeGradient(x, dy, offsets);
    form.backward(x, rows, dy, offsets, accumulate, dx);
    maskGradient();
  }

  @Override
  public void activatedBackward(
      Activation f, Tensor h, Tensor x, Tensor dy, Tensor offsets, Tensor dh) {
    addWholeGradient(x, dy, offsets);
    form.activatedBackward(f, h, x, dy, offsets, dh);
    maskGradient();
  }

  private void addWholeGradient(Tensor x, Tensor dy, Tensor offsets) {
    if (wholeGradient() != null) {
      backend().matmul().groupedBackwardWeight(dy, x, offsets, wholeGradient());
    }
  }

  @Override
  public double forwardFlopsPerRow() {
    return form.forwardFlopsPerRow();
  }
}
