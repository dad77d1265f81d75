package dev.sparrow.nn;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.MatmulOps;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/** The experts' matrices stored whole in one parameter, (groups, out, in). */
public final class DenseGroupedWeight implements GroupedLinearWeight {
  private final String name;
  private final MatmulOps matmul;
  private final Parameter weight; // (groups, out, in)

  /**
   * @param spec of one expert's matrix; the parameter is {@code spec.name() + ".weight"}
   */
  public DenseGroupedWeight(Backend backend, LinearSpec spec, int groups) {
    this(backend, spec, groups, Initializer.normal(spec.standardDeviation()));
  }

  /** The same with a start of its own. */
  public DenseGroupedWeight(Backend backend, LinearSpec spec, int groups, Initializer initializer) {
    if (groups < 1) {
      throw new IllegalArgumentException(spec.name() + ": expected groups >= 1, got " + groups);
    }
    this.name = spec.name();
    this.matmul = backend.matmul();
    this.weight =
        Parameter.matrix(spec.name() + ".weight", initializer, groups, spec.out(), spec.in());
  }

  /** The matrices (groups, out, in). */
  public Parameter weight() {
    return weight;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public int groups() {
    return weight.shape().dim(0);
  }

  @Override
  public int in() {
    return weight.shape().dim(2);
  }

  @Override
  public int out() {
    return weight.shape().dim(1);
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
  public boolean gathersRows() {
    return matmul.gathered() != null;
  }

  @Override
  public void forward(Tensor x, Tensor rows, Tensor offsets, Tensor y) {
    if (rows == null) {
      matmul.groupedForward(x, weight.operand(), offsets, y);
    } else {
      matmul.gathered().forward(x, rows, weight.operand(), offsets, y);
    }
  }

  @Override
  public void activatedForward(
      Activation f, Tensor x, Tensor rows, Tensor offsets, Tensor h, Tensor y) {
    if (rows == null) {
      matmul.groupedActivatedForward(f, x, weight.operand(), offsets, h, y);
    } else {
      matmul.gathered().activatedForward(f, x, rows, weight.operand(), offsets, h, y);
    }
  }

  @Override
  public void backward(
      Tensor x, Tensor rows, Tensor dy, Tensor offsets, boolean accumulate, Tensor dx) {
    if (rows == null) {
      matmul.groupedBackwardWeight(dy, x, offsets, weight.gradient());
    } else {
      matmul.gathered().backwardWeight(dy, x, rows, offsets, weight.gradient());
    }
    if (dx != null) {
      matmul.groupedBackwardInput(dy, weight.operand(), offsets, accumulate, dx);
    }
  }

  @Override
  public void activatedBackward(
      Activation f, Tensor h, Tensor x, Tensor dy, Tensor offsets, Tensor dh) {
    matmul.groupedBackwardWeight(dy, x, offsets, weight.gradient());
    matmul.groupedActivatedBackwardInput(f, dy, weight.operand(), offsets, h, dh);
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
    return 2.0 * in() * out();
  }
}
