package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.cpu.Blas;
import dev.sparrow.backend.cpu.SymmetricEigen;

/**
 * The singular value decomposition of one matrix W (out, in) by the smaller of its Gram matrices,
 * in double: of {@code W·Wᵀ = Q·Λ·Qᵀ} the singular values are √Λ and the thin factors {@code U·√Σ =
 * Q·Λ^¼}, {@code √Σ·Vᵀ = Λ^-¼·Qᵀ·W}; of WᵀW likewise from the other side. Singular values below
 * 1e-8 of the largest are lost in rounding, far below what fp32 weights tell.
 */
final class Factorization {
  /** Of the largest eigenvalue: smaller ones are rounding errors. */
  private static final double NEGLIGIBLE = 1e-15;

  private final float[] matrices;
  private final int start; // of W among them
  private final int out;
  private final int in;
  private final SymmetricEigen eigen; // of the lesser side

  /**
   * @param matrices one or more matrices (out, in), one after the other, not to be changed
   * @param index of the matrix that is meant
   */
  Factorization(float[] matrices, int index, int out, int in) {
    this.out = out;
    this.in = in;
    this.matrices = matrices;
    this.start = Math.multiplyExact(index, out * in);
    double[] w = matrix();
    int n = Math.min(out, in);
    double[] gram = new double[n * n];
    Blas.get().dgemm(!isWide(), isWide(), n, n, Math.max(out, in), w, w, gram);
    this.eigen = SymmetricEigen.of(gram, n);
  }

  /** W again: held for a while by many at once, it would be large. */
  private double[] matrix() {
    double[] w = new double[out * in];
    for (int i = 0; i < w.length; i++) {
      w[i] = matrices[start + i];
    }
    return w;
  }

  private boolean isWide() {
    return out <= in;
  }

  Spectrum spectrum(double deviation) {
    double[] values = new double[eigen.values().length];
    for (int i = 0; i < values.length; i++) {
      values[i] = Math.sqrt(Math.max(0, eigen.values()[i]));
    }
    return new Spectrum(values, out, in, deviation);
  }

  /**
   * Writes the factors of the best approximation of this rank.
   *
   * @param index of the matrix among those stacked
   * @param u (.., out, rank)
   * @param v (.., rank, in)
   */
  void write(int rank, int index, float[] u, float[] v) {
    int n = eigen.values().length;
    double[] w = matrix();
    double[] q = new double[rank * n]; // leading eigenvectors, Qᵀ
    System.arraycopy(eigen.vectors(), 0, q, 0, q.length);
    int uStart = index * out * rank;
    int vStart = index * rank * in;
    if (isWide()) {
      double[] projected = new double[rank * in]; // Qᵀ·W
      Blas.get().dgemm(false, false, rank, in, n, q, w, projected);
      for (int k = 0; k < rank; k++) {
        scaled(projected, k * in, in, inverseRoot(k), v, vStart + k * in, 1);
        scaled(q, k * n, n, root(k), u, uStart + k, rank);
      }
    } else {
      double[] projected = new double[rank * out]; // Qᵀ·Wᵀ
      Blas.get().dgemm(false, true, rank, out, n, q, w, projected);
      for (int k = 0; k < rank; k++) {
        scaled(projected, k * out, out, inverseRoot(k), u, uStart + k, rank);
        scaled(q, k * n, n, root(k), v, vStart + k * in, 1);
      }
    }
  }

  /** √σ. */
  private double root(int k) {
    return Math.pow(Math.max(0, eigen.values()[k]), 0.25);
  }

  /** 1/√σ, or 0 where there is nothing in this direction. */
  private double inverseRoot(int k) {
    double value = eigen.values()[k];
    return value <= NEGLIGIBLE * eigen.values()[0] ? 0 : Math.pow(value, -0.25);
  }

  private static void scaled(
      double[] from, int start, int count, double scale, float[] to, int first, int stride) {
    for (int i = 0; i < count; i++) {
      to[first + i * stride] = (float) (scale * from[start + i]);
    }
  }
}
