package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ConvOps;
import dev.sparrow.backend.ConvShape;
import dev.sparrow.backend.MatmulOps;
import dev.sparrow.nn.BatchNorm;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.LinearWeight;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.WindowProducts;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * A matrix that is the product of two thin ones, {@code W = U·V}, and is never formed: {@code y =
 * (x·Vᵀ)·Uᵀ}; of a convolution one with as many filters as the rank and one of single pixels. The
 * intermediate {@code t = x·Vᵀ} (rows, rank) is kept until backward.
 *
 * <p>Between the two convolutions there may be a batch normalisation: {@code y = norm(t)·Uᵀ}. Then
 * there are no products of rows, of which nobody tells whether they train.
 */
public final class LowRankWeight implements LinearWeight, WindowProducts {
  private final MatmulOps matmul;
  private final ConvOps conv;
  private final Factors factors;
  private Tensor inner; // (rows, rank): t
  private Tensor dinner; // (rows, rank), scratch
  private Tensor normed; // (rows, rank): norm(t); t itself without a normalisation
  private Tensor dnormed; // (rows, rank), scratch; likewise

  /** Factors of their own, {@code weight.u} and {@code weight.v}. */
  public LowRankWeight(Backend backend, LinearSpec spec, int rank) {
    this(backend, Factors.of(spec, 1, false, rank));
  }

  LowRankWeight(Backend backend, Factors factors) {
    this.matmul = backend.matmul();
    this.conv = backend.conv();
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

  private BatchNorm norm() {
    return factors.norm();
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
  public void buffers(Consumer<Buffer> sink) {
    factors.buffers(sink);
  }

  @Override
  public void reserve(Workspace workspace, int rows) {
    inner = workspace.keep(rows, factors.rank());
    dinner = workspace.scratch("low_rank.dinner", rows, factors.rank());
    normed = inner;
    dnormed = dinner;
    if (norm() != null) {
      norm().reserve(workspace);
      normed = workspace.keep(rows, factors.rank());
      dnormed = workspace.scratch("low_rank.dnormed", rows, factors.rank());
    }
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
    if (norm() != null) {
      throw new IllegalStateException(
          "%s: expected a convolution's windows, since a batch normalisation is between its factors, got rows; set cuttlefish.batch-norm = false"
              .formatted(u().name()));
    }
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
    Tensor dt = backwardLeft(dy, dbias);
    matmul.backwardWeight(dt, x, v().gradient(), null);
    return dt;
  }

  private Tensor backwardLeft(Tensor dy, Tensor dbias) {
    matmul.backwardWeight(dy, normed.first(dy.rows()), u().gradient(), dbias);
    Tensor dn = dnormed.first(dy.rows());
    matmul.backwardInput(dy, u().operand(), false, dn);
    if (norm() == null) {
      return dn;
    }
    Tensor dt = dinner.first(dy.rows());
    norm().backward(dn, dt);
    return dt;
  }

  @Override
  public WindowProducts windows() {
    return this;
  }

  @Override
  public boolean alwaysHasWindows() {
    return true;
  }

  @Override
  public boolean takesPixels() {
    return norm() != null;
  }

  /** A convolution by as many filters as the rank, and one of single pixels. */
  @Override
  public void forward(ConvShape shape, Tensor x, Pass pass, Tensor y) {
    Tensor t = inner.first(shape.outRows());
    conv.forward(shape, x, v().operand(), t);
    Tensor n = normed.first(shape.outRows());
    if (norm() != null) {
      norm().forward(t, null, false, pass, n);
    }
    matmul.forward(n, u().operand(), null, null, y);
  }

  @Override
  public void backward(ConvShape shape, Tensor x, Tensor dy, boolean accumulate, Tensor dx) {
    Tensor dt = backwardLeft(dy, null);
    conv.backwardWeight(shape, dt, x, v().gradient());
    if (dx != null) {
      conv.backwardInput(shape, dt, v().operand(), accumulate, dx);
    }
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
