package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.nn.DenseWeight;
import dev.sparrow.nn.Initializer;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.LinearWeight;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.WindowProducts;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;

/** A {@link SparsifiedWeight} that is one matrix, (out, in). */
final class SparsifiedLinearWeight extends SparsifiedWeight implements LinearWeight {
  private LinearWeight form;

  /** Dense. */
  SparsifiedLinearWeight(Backend backend, LinearSpec spec, PatternFormat format) {
    super(backend, spec, format, Shape.of(spec.out(), spec.in()));
    becomeDense();
  }

  @Override
  Parameter useWhole(Initializer start) {
    DenseWeight whole = new DenseWeight(backend(), spec(), start);
    form = whole;
    return whole.weight();
  }

  @Override
  void useSparse(UniformValues values) {
    form = new UniformSparseWeight(backend().sparse(), spec(), values);
  }

  @Override
  SparsePattern load(UniformPattern pattern) {
    return backend().sparse().load(pattern);
  }

  @Override
  public void reserve(Workspace workspace, int rows) {
    reserved(rows);
    form.reserve(workspace, rows);
  }

  @Override
  public void forward(Tensor x, Tensor bias, Tensor residual, Tensor y) {
    form.forward(x, bias, residual, y);
  }

  @Override
  public void activatedForward(Activation f, Tensor x, Tensor bias, Tensor h, Tensor y) {
    form.activatedForward(f, x, bias, h, y);
  }

  @Override
  public void backward(Tensor x, Tensor dy, Tensor dbias, boolean accumulate, Tensor dx) {
    addWholeGradient(x, dy);
    form.backward(x, dy, dbias, accumulate, dx);
    maskGradient();
  }

  @Override
  public void activatedBackward(
      Activation f, Tensor h, Tensor x, Tensor dy, Tensor dbias, Tensor dh) {
    addWholeGradient(x, dy);
    form.activatedBackward(f, h, x, dy, dbias, dh);
    maskGradient();
  }

  private void addWholeGradient(Tensor x, Tensor dy) {
    if (wholeGradient() != null) {
      backend().matmul().backwardWeight(dy, x, wholeGradient(), null);
    }
  }

  @Override
  public WindowProducts windows() {
    return isDense() ? form.windows() : null;
  }

  @Override
  public double forwardFlopsPerRow() {
    return form.forwardFlopsPerRow();
  }
}
