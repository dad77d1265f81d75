package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.nn.DenseGroupedWeight;
import dev.sparrow.nn.GroupedLinearWeight;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;

/**
 * A {@link FactorizableWeight} that is the matrices of all experts, (groups, out, in), of one rank.
 */
final class FactorizableGroupedWeight extends FactorizableWeight implements GroupedLinearWeight {
  private GroupedLinearWeight form;

  FactorizableGroupedWeight(Backend backend, LinearSpec spec, int groups) {
    super(backend, spec, groups, true, false);
    becomeWhole();
  }

  @Override
  Parameter useWhole() {
    DenseGroupedWeight dense = new DenseGroupedWeight(backend(), spec(), matrices());
    form = dense;
    return dense.weight();
  }

  @Override
  void useFactors(Factors next) {
    form = new LowRankGroupedWeight(backend(), spec().name(), next);
  }

  @Override
  void reserveForm(Workspace memory, int most) {
    form.reserve(memory, most);
  }

  @Override
  public int groups() {
    return matrices();
  }

  @Override
  public boolean gathersRows() {
    return form.gathersRows();
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
    form.backward(x, rows, dy, offsets, accumulate, dx);
  }

  @Override
  public void activatedBackward(
      Activation f, Tensor h, Tensor x, Tensor dy, Tensor offsets, Tensor dh) {
    form.activatedBackward(f, h, x, dy, offsets, dh);
  }

  @Override
  public double forwardFlopsPerRow() {
    return form.forwardFlopsPerRow();
  }
}
