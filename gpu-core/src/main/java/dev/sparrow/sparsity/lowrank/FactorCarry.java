package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.HostLoop;
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
record FactorCarry(
    HostLoop loop, int matrices, int out, int in, int rank, float[] u, float[] v, Momentum momentum)
    implements Carry {
  private static final int GRAIN = 128; // rows or columns of a matrix at a time

  /** The factors that rank 0 found. */
  static FactorCarry of(FactorizableWeight weight, int rank, float[] u, float[] v, Momentum m) {
    HostLoop loop = weight.backend().hostLoop();
    return new FactorCarry(loop, weight.matrices(), weight.out(), weight.in(), rank, u, v, m);
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
    for (int e = 0; e < matrices; e++) {
      int atG = e * out * in;
      int atU = e * out * rank;
      int atV = e * rank * in;
      loop.ranges(out, GRAIN, (i, end) -> projectRows(g, atG, v, atV, du, atU, i, end - i));
      loop.ranges(in, GRAIN, (j, end) -> projectColumns(g, atG, u, atU, dv, atV, j, end - j));
    }
    return List.of(dv, du);
  }

  /** Of {@code G·Vᵀ} these rows. */
  private void projectRows(
      float[] g, int atG, float[] v, int atV, float[] du, int atU, int from, int count) {
    int first = atG + from * in;
    int target = atU + from * rank;
    Blas.get()
        .sgemm(false, true, count, rank, in, 1, g, first, in, v, atV, in, 0, du, target, rank);
  }

  /** Of {@code Uᵀ·G} these columns. */
  private void projectColumns(
      float[] g, int atG, float[] u, int atU, float[] dv, int atV, int from, int count) {
    int first = atG + from;
    int target = atV + from;
    Blas.get()
        .sgemm(true, false, rank, count, out, 1, u, atU, rank, g, first, in, 0, dv, target, in);
  }
}
