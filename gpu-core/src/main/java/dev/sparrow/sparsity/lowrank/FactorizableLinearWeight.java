package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.nn.DenseWeight;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.LinearWeight;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.WindowProducts;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;

/** A {@link FactorizableWeight} that is one matrix, (out, in). */
final class FactorizableLinearWeight extends FactorizableWeight implements LinearWeight {
  private LinearWeight form;

  FactorizableLinearWeight(Backend backend, LinearSpec spec) {
    super(backend, spec, 1, false);
    becomeWhole();
  }

  @Override
  Parameter useWhole() {
    DenseWeight dense = new DenseWeight(backend(), spec());
    form = dense;
    return dense.weight();
  }

  @Override
  void useFactors(Factors next) {
    form = new LowRankWeight(backend(), next);
  }

  @Override
  void reserveForm(Workspace memory, int most) {
    form.reserve(memory, most);
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
    form.backward(x, dy, dbias, accumulate, dx);
  }

  @Override
  public void activatedBackward(
      Activation f, Tensor h, Tensor x, Tensor dy, Tensor dbias, Tensor dh) {
    form.activatedBackward(f, h, x, dy, dbias, dh);
  }

  @Override
  public WindowProducts windows() {
    return form.windows();
  }

  @Override
  public boolean alwaysHasWindows() {
    return true;
  }

  @Override
  public double forwardFlopsPerRow() {
    return form.forwardFlopsPerRow();
  }
}
