package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.MatmulOps;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/**
 * Decay of the matrix that two factors make, {@code (1/2)·‖U·V‖²}, instead of the factors' own
 * norms (Khodak et al. 2021, "Initialization and regularization of factorized neural layers"). Its
 * gradients go through Gram matrices of (rank, rank), so that the matrix is never formed:
 *
 * <pre>
 * ∂/∂U = U·V·Vᵀ = U·(V·Vᵀ)      ∂/∂V = Uᵀ·U·V = (Uᵀ·U)·V
 * </pre>
 *
 * <p>Of stacked matrices the same of each. Products are of the weights as layers read them: on a
 * GPU the decay is rounded to bf16, to 1% of it, on its way to the fp32 weights.
 */
final class FrobeniusDecay {
  /**
   * Updates from one use to the next. With batches of fewer rows than a rank it would else cost
   * more than the layer's passes; a step's decay is far too small for the difference to matter.
   */
  static final int EVERY = 16;

  private final Backend backend;
  private final MatmulOps matmul;
  private final Factors factors;
  private Tensor gramU; // (matrices, rank, rank): UᵀU, in the float type
  private Tensor gramUOperand; // the same in the compute type
  private Tensor gramV; // (matrices, rank, rank): V·Vᵀ
  private Tensor du; // (matrices·out, rank)
  private Tensor dv; // (matrices·rank, in)
  private Tensor widened; // in the float type, as large as the larger of du and dv; null: they are
  private Tensor outRows; // I32 (matrices + 1): first row of each matrix in U
  private Tensor rankRows; // I32 (matrices + 1): first row of each in V and the Gram matrices

  FrobeniusDecay(Backend backend, Factors factors) {
    this.backend = backend;
    this.matmul = backend.matmul();
    this.factors = factors;
  }

  /** Takes scratch, shared with other layers. */
  void reserve(Workspace workspace) {
    int matrices = factors.matrices();
    int rank = factors.rank();
    boolean narrow = backend.computeType() != backend.floatType();
    gramU = workspace.scratchFloat("low_rank.gram_u", matrices, rank, rank);
    gramUOperand =
        narrow ? workspace.scratch("low_rank.gram_u.operand", matrices, rank, rank) : gramU;
    gramV = workspace.scratch("low_rank.gram_v", matrices, rank, rank);
    du = workspace.scratch("low_rank.du", matrices * factors.out(), rank);
    dv = workspace.scratch("low_rank.dv", matrices * rank, factors.in());
    int largest = Math.toIntExact(Math.max(du.size(), dv.size()));
    widened = narrow ? workspace.scratchFloat("low_rank.widened", largest) : null;
    outRows = starts(workspace, factors.out());
    rankRows = starts(workspace, rank);
  }

  private Tensor starts(Workspace workspace, int rows) {
    int[] starts = new int[factors.matrices() + 1];
    for (int e = 0; e < starts.length; e++) {
      starts[e] = e * rows;
    }
    Tensor tensor = workspace.keep(DType.I32, starts.length);
    backend.upload(starts, 0, tensor);
    return tensor;
  }

  /** {@code gradient += alpha·∂} of both factors. */
  void addToGradients(double alpha) {
    differentiate();
    add(alpha, du, factors.u().gradient());
    add(alpha, dv, factors.v().gradient());
  }

  /** {@code value -= alpha·∂} of both factors, each ∂ of the values before. */
  void subtractFromValues(double alpha) {
    differentiate();
    add(-alpha, du, factors.u().value());
    add(-alpha, dv, factors.v().value());
  }

  private void add(double alpha, Tensor derivative, Tensor target) {
    Tensor wide = derivative;
    if (widened != null) {
      wide = widened.window(0, Math.toIntExact(derivative.size()));
      backend.elementwise().copy(derivative, wide);
    }
    backend.elementwise().axpy(alpha, wide, target);
  }

  private void differentiate() {
    int matrices = factors.matrices();
    int rank = factors.rank();
    Tensor u = factors.u().operand().reshape(matrices * factors.out(), rank);
    Tensor v = factors.v().operand().reshape(matrices * rank, factors.in());
    Tensor stackedV = v.reshape(matrices, rank, factors.in());
    backend.elementwise().fill(gramU, 0); // products of this kind add
    matmul.groupedBackwardWeight(u, u, outRows, gramU);
    if (gramUOperand != gramU) {
      backend.elementwise().copy(gramU, gramUOperand);
    }
    matmul.groupedForward(v, stackedV, rankRows, gramV.reshape(matrices * rank, rank));
    matmul.groupedForward(u, gramV, outRows, du); // U·Gᵀ, and G is symmetric
    Tensor rowsU = gramUOperand.reshape(matrices * rank, rank);
    matmul.groupedBackwardInput(rowsU, stackedV, rankRows, false, dv);
  }
}
