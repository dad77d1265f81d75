package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.MatmulOps;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.LinearWeight;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * A matrix that is the product of two thin ones, {@code W = U·V}, and is never formed: {@code y =
 * (x·Vᵀ)·Uᵀ}. The intermediate {@code t = x·Vᵀ} (rows, rank) is kept until backward.
 */
public final class LowRankWeight implements LinearWeight {
  private final MatmulOps matmul;
  private final Factors factors;
  private Tensor inner; // (rows, rank): t
  private Tensor dinner; // (rows, rank), scratch
  private int forwards; // since the last backward

  /** Factors of their own, {@code weight.u} and {@code weight.v}. */
  public LowRankWeight(Backend backend, LinearSpec spec, int rank) {
    this(backend, Factors.of(spec, 1, false, rank));
  }

  LowRankWeight(Backend backend, Factors factors) {
    this.matmul = backend.matmul();
    this.factors = factors;
  }

  /** The left factor (out, rank). */
  public Parameter u() {
    return factors.u();
  }

  /** The right factor (rank, in). */
  public Parameter v() {
    return factors.v();
  }

  @Override
  public int in() {
    return factors.in();
  }

  @Override
  public int out() {
    return factors.out();
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    factors.parameters(sink);
  }

  @Override
  public void reserve(Workspace workspace, int rows) {
    inner = workspace.keep(rows, factors.rank());
    dinner = workspace.scratch("low_rank.dinner", rows, factors.rank());
  }

  @Override
  public void forward(Tensor x, Tensor bias, Tensor residual, Tensor y) {
    matmul.forward(project(x), u().operand(), bias, residual, y);
  }

  @Override
  public void activatedForward(Activation f, Tensor x, Tensor bias, Tensor h, Tensor y) {
    matmul.activatedForward(f, project(x), u().operand(), bias, h, y);
  }

  private Tensor project(Tensor x) {
    forwards++;
    return projected(x);
  }

  private Tensor projected(Tensor x) {
    Tensor t = inner.first(x.rows());
    matmul.forward(x, v().operand(), null, null, t);
    return t;
  }

  @Override
  public void backward(Tensor x, Tensor dy, Tensor dbias, boolean accumulate, Tensor dx) {
    Tensor dt = backwardFactors(x, dy, dbias);
    if (dx != null) {
      matmul.backwardInput(dt, v().operand(), accumulate, dx);
    }
  }

  @Override
  public void activatedBackward(
      Activation f, Tensor h, Tensor x, Tensor dy, Tensor dbias, Tensor dh) {
    Tensor dt = backwardFactors(x, dy, dbias);
    matmul.activatedBackwardInput(f, dt, v().operand(), h, dh);
  }

  // dU = dyᵀ·t, dt = dy·U, dV = dtᵀ·x, dx = dt·V
  private Tensor backwardFactors(Tensor x, Tensor dy, Tensor dbias) {
    matmul.backwardWeight(dy, kept(x), u().gradient(), dbias);
    Tensor dt = dinner.first(dy.rows());
    matmul.backwardInput(dy, u().operand(), false, dt);
    matmul.backwardWeight(dt, x, v().gradient(), null);
    return dt;
  }

  /**
   * That of the forward pass; made again where the caller went forward on several inputs in turn,
   * as one does that brings a large input in pieces.
   */
  private Tensor kept(Tensor x) {
    boolean isOfX = forwards == 1;
    forwards = 0;
    return isOfX ? inner.first(x.rows()) : projected(x);
  }

  @Override
  public String kind() {
    return factors.kind();
  }

  @Override
  public long parameterCount() {
    return factors.size();
  }

  @Override
  public double forwardFlopsPerRow() {
    return factors.forwardFlopsPerRow();
  }
}
