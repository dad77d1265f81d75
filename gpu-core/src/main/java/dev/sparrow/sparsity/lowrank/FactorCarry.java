package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.cpu.Blas;
import dev.sparrow.config.Cuttlefish.Momentum;
import dev.sparrow.sparsity.ModelChange.Carry;
import dev.sparrow.sparsity.ModelChange.Values;
import java.util.List;

/**
 * Takes weights and optimizer state of whole matrices to their factors. A gradient G of W = U·V is
 * to the factors {@code ∂U = G·Vᵀ}, {@code ∂V = Uᵀ·G}, and so are running means of gradients. Of
 * squares S, of elements taken as independent, {@code S·(V∘V)ᵀ} and {@code (U∘U)ᵀ·S}.
 *
 * @param u (matrices, out, rank)
 * @param v (matrices, rank, in)
 */
record FactorCarry(int matrices, int out, int in, int rank, float[] u, float[] v, Momentum momentum)
    implements Carry {

  /** The factors that rank 0 found. */
  static FactorCarry of(FactorizableWeight weight, int rank, float[] u, float[] v, Momentum m) {
    return new FactorCarry(weight.matrices(), weight.out(), weight.in(), rank, u, v, m);
  }

  /** Of ranks that are given what rank 0 carries: nothing. */
  static FactorCarry empty(FactorizableWeight weight, int rank) {
    float[] u = new float[weight.matrices() * weight.out() * rank];
    float[] v = new float[weight.matrices() * rank * weight.in()];
    return of(weight, rank, u, v, Momentum.RESET);
  }

  @Override
  public List<float[]> carry(float[] values, Values kind) {
    if (kind == Values.WEIGHTS) {
      return List.of(v, u);
    }
    if (momentum == Momentum.RESET) {
      return List.of(new float[v.length], new float[u.length]);
    }
    boolean squared = kind == Values.SQUARED_MOMENT;
    return projected(values, squared ? squares(u) : u, squared ? squares(v) : v);
  }

  private static float[] squares(float[] values) {
    float[] squares = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      squares[i] = values[i] * values[i];
    }
    return squares;
  }

  private List<float[]> projected(float[] g, float[] u, float[] v) {
    float[] du = new float[u.length];
    float[] dv = new float[v.length];
    Blas blas = Blas.get();
    for (int e = 0; e < matrices; e++) {
      int atG = e * out * in;
      int atU = e * out * rank;
      int atV = e * rank * in;
      blas.sgemm(false, true, out, rank, in, 1, g, atG, in, v, atV, in, 0, du, atU, rank);
      blas.sgemm(true, false, rank, in, out, 1, u, atU, rank, g, atG, in, 0, dv, atV, in);
    }
    return List.of(dv, du);
  }
}
