package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.GroupedSparseOps;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.GroupedLinearWeight;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/** The matrices of all experts, each row of each with the same number of non-zeros. */
final class UniformSparseGroupedWeight implements GroupedLinearWeight {
  private final GroupedSparseOps sparse;
  private final LinearSpec spec;
  private final int groups;
  private final UniformValues values;

  /**
   * @param spec of one expert's matrix
   */
  UniformSparseGroupedWeight(
      GroupedSparseOps sparse, LinearSpec spec, int groups, UniformValues values) {
    this.sparse = sparse;
    this.spec = spec;
    this.groups = groups;
    this.values = values;
  }

  @Override
  public String name() {
    return spec.name();
  }

  @Override
  public int groups() {
    return groups;
  }

  @Override
  public int in() {
    return spec.in();
  }

  @Override
  public int out() {
    return spec.out();
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    sink.accept(values.parameter());
  }

  @Override
  public void buffers(Consumer<Buffer> sink) {
    values.buffers(sink);
  }

  @Override
  public void reserve(Workspace workspace, int rows) {
    // The backend's ops hold what they need.
  }

  @Override
  public void forward(Tensor x, Tensor rows, Tensor offsets, Tensor y) {
    sparse.forward(x, operand(), values.loaded(), offsets, y);
  }

  @Override
  public void activatedForward(
      Activation f, Tensor x, Tensor rows, Tensor offsets, Tensor h, Tensor y) {
    sparse.activatedForward(f, x, operand(), values.loaded(), offsets, h, y);
  }

  @Override
  public void backward(
      Tensor x, Tensor rows, Tensor dy, Tensor offsets, boolean accumulate, Tensor dx) {
    addGradient(x, dy, offsets);
    if (dx != null) {
      sparse.backwardInput(dy, operand(), values.loaded(), offsets, accumulate, dx);
    }
  }

  @Override
  public void activatedBackward(
      Activation f, Tensor h, Tensor x, Tensor dy, Tensor offsets, Tensor dh) {
    addGradient(x, dy, offsets);
    sparse.activatedBackwardInput(f, dy, operand(), values.loaded(), offsets, h, dh);
  }

  private void addGradient(Tensor x, Tensor dy, Tensor offsets) {
    sparse.backwardWeight(dy, x, values.loaded(), offsets, values.parameter().gradient());
  }

  private Tensor operand() {
    return values.parameter().operand();
  }

  @Override
  public String kind() {
    return values.kind();
  }

  @Override
  public long parameterCount() {
    return values.pattern().nonZeros();
  }

  /** On average over the experts: one may have more rows switched off than another. */
  @Override
  public double forwardFlopsPerRow() {
    return 2.0 * values.pattern().nonZeros() / groups;
  }
}
