package dev.sparrow.nn;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.MatmulOps;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/** A matrix that is stored whole; every product is one GEMM. */
public final class DenseWeight implements LinearWeight {
  private final MatmulOps matmul;
  private final Parameter weight; // (out, in)
  private final WindowProducts windows;

  /** A weight of its own, {@code spec.name() + ".weight"}. */
  public DenseWeight(Backend backend, LinearSpec spec) {
    this(backend, spec, Initializer.normal(spec.standardDeviation()));
  }

  /** The same with a start of its own. */
  public DenseWeight(Backend backend, LinearSpec spec, Initializer initializer) {
    this.matmul = backend.matmul();
    this.weight = Parameter.matrix(spec.name() + ".weight", initializer, spec.out(), spec.in());
    this.windows = new WholeWindows(backend.conv(), weight);
  }

  /** The matrix (out, in). */
  public Parameter weight() {
    return weight;
  }

  @Override
  public int in() {
    return weight.shape().dim(1);
  }

  @Override
  public int out() {
    return weight.shape().dim(0);
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    sink.accept(weight);
  }

  @Override
  public void reserve(Workspace workspace, int rows) {
    // A GEMM needs nothing besides its operands.
  }

  @Override
  public void forward(Tensor x, Tensor bias, Tensor residual, Tensor y) {
    matmul.forward(x, weight.operand(), bias, residual, y);
  }

  @Override
  public void activatedForward(Activation f, Tensor x, Tensor bias, Tensor h, Tensor y) {
    matmul.activatedForward(f, x, weight.operand(), bias, h, y);
  }

  @Override
  public void backward(Tensor x, Tensor dy, Tensor dbias, boolean accumulate, Tensor dx) {
    matmul.backwardWeight(dy, x, weight.gradient(), dbias);
    if (dx != null) {
      matmul.backwardInput(dy, weight.operand(), accumulate, dx);
    }
  }

  @Override
  public void activatedBackward(
      Activation f, Tensor h, Tensor x, Tensor dy, Tensor dbias, Tensor dh) {
    matmul.backwardWeight(dy, x, weight.gradient(), dbias);
    matmul.activatedBackwardInput(f, dy, weight.operand(), h, dh);
  }

  @Override
  public WindowProducts windows() {
    return windows;
  }

  @Override
  public boolean alwaysHasWindows() {
    return true;
  }

  @Override
  public String kind() {
    return "dense";
  }

  @Override
  public long parameterCount() {
    return weight.size();
  }

  @Override
  public double forwardFlopsPerRow() {
    return 2.0 * weight.size();
  }
}
