package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.SparseOps;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.LinearWeight;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/** A matrix of which each row holds the same number of non-zeros. */
final class UniformSparseWeight implements LinearWeight {
  private final SparseOps sparse;
  private final LinearSpec spec;
  private final UniformValues values;

  UniformSparseWeight(SparseOps sparse, LinearSpec spec, UniformValues values) {
    this.sparse = sparse;
    this.spec = spec;
    this.values = values;
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
  public void forward(Tensor x, Tensor bias, Tensor residual, Tensor y) {
    sparse.forward(x, operand(), values.loaded(), bias, residual, y);
  }

  @Override
  public void activatedForward(Activation f, Tensor x, Tensor bias, Tensor h, Tensor y) {
    sparse.activatedForward(f, x, operand(), values.loaded(), bias, h, y);
  }

  @Override
  public void activatedBackward(
      Activation f, Tensor h, Tensor x, Tensor dy, Tensor dbias, Tensor dh) {
    sparse.backwardWeight(dy, x, values.loaded(), values.parameter().gradient(), dbias);
    sparse.activatedBackwardInput(f, dy, operand(), values.loaded(), h, dh);
  }

  @Override
  public void backward(Tensor x, Tensor dy, Tensor dbias, boolean accumulate, Tensor dx) {
    sparse.backwardWeight(dy, x, values.loaded(), values.parameter().gradient(), dbias);
    if (dx != null) {
      sparse.backwardInput(dy, operand(), values.loaded(), accumulate, dx);
    }
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

  @Override
  public double forwardFlopsPerRow() {
    return 2.0 * values.pattern().nonZeros();
  }
}
