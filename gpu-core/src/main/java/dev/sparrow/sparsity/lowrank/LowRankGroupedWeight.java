package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.MatmulOps;
import dev.sparrow.nn.GroupedLinearWeight;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * The experts' matrices, each the product of two thin ones, {@code W_e = U_e·V_e}, all of one rank:
 * see {@link LowRankWeight}.
 */
public final class LowRankGroupedWeight implements GroupedLinearWeight {
  private final String name;
  private final MatmulOps matmul;
  private final Factors factors;
  private Tensor inner; // (rows, rank): t
  private Tensor dinner; // (rows, rank), scratch

  /**
   * Factors of their own, {@code weight.u} and {@code weight.v}.
   *
   * @param spec of one expert's matrix
   */
  public LowRankGroupedWeight(Backend backend, LinearSpec spec, int groups, int rank) {
    this(backend, spec.name(), Factors.of(spec, groups, true, rank));
  }

  LowRankGroupedWeight(Backend backend, String name, Factors factors) {
    this.name = name;
    this.matmul = backend.matmul();
    this.factors = factors;
  }

  /** The left factors (groups, out, rank). */
  public Parameter u() {
    return factors.u();
  }

  /** The right factors (groups, rank, in). */
  public Parameter v() {
    return factors.v();
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public int groups() {
    return factors.matrices();
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

  /** As dense weights do, so that either form serves a layer that took memory for one. */
  @Override
  public boolean gathersRows() {
    return matmul.gathered() != null;
  }

  @Override
  public void forward(Tensor x, Tensor rows, Tensor offsets, Tensor y) {
    matmul.groupedForward(project(x, rows, offsets, y), u().operand(), offsets, y);
  }

  @Override
  public void activatedForward(
      Activation f, Tensor x, Tensor rows, Tensor offsets, Tensor h, Tensor y) {
    matmul.groupedActivatedForward(f, project(x, rows, offsets, y), u().operand(), offsets, h, y);
  }

  private Tensor project(Tensor x, Tensor rows, Tensor offsets, Tensor y) {
    Tensor t = inner.first(y.rows());
    if (rows == null) {
      matmul.groupedForward(x, v().operand(), offsets, t);
    } else {
      matmul.gathered().forward(x, rows, v().operand(), offsets, t);
    }
    return t;
  }

  @Override
  public void backward(
      Tensor x, Tensor rows, Tensor dy, Tensor offsets, boolean accumulate, Tensor dx) {
    Tensor dt = backwardFactors(x, rows, dy, offsets);
    if (dx != null) {
      matmul.groupedBackwardInput(dt, v().operand(), offsets, accumulate, dx);
    }
  }

  @Override
  public void activatedBackward(
      Activation f, Tensor h, Tensor x, Tensor dy, Tensor offsets, Tensor dh) {
    Tensor dt = backwardFactors(x, null, dy, offsets);
    matmul.groupedActivatedBackwardInput(f, dt, v().operand(), offsets, h, dh);
  }

  // dU_e = dyᵀ·t, dt = dy·U_e, dV_e = dtᵀ·x, dx = dt·V_e, each over the rows of e
  private Tensor backwardFactors(Tensor x, Tensor rows, Tensor dy, Tensor offsets) {
    matmul.groupedBackwardWeight(dy, inner.first(dy.rows()), offsets, u().gradient());
    Tensor dt = dinner.first(dy.rows());
    matmul.groupedBackwardInput(dy, u().operand(), offsets, false, dt);
    if (rows == null) {
      matmul.groupedBackwardWeight(dt, x, offsets, v().gradient());
    } else {
      matmul.gathered().backwardWeight(dt, x, rows, offsets, v().gradient());
    }
    return dt;
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
