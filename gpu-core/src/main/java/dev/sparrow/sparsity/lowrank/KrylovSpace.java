package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.cpu.Blas;
import dev.sparrow.backend.cpu.SymmetricEigen;
import java.util.Arrays;

/**
 * Orthonormal rows Q that grow by a block at a time, their images Q·Wᵀ under a matrix W (out, in),
 * and what they tell of its largest singular value. In double, on the calling thread.
 */
final class KrylovSpace {
  /**
   * What must be left, as a share of squared length, once the rows before have been taken out, lest
   * it is rounding errors of fp32 products; at first, and when that is repeated.
   */
  private static final double[] LEAST_LEFT = {1e-12, 0.25};

  private final int block;
  private final int in;
  private final int out;
  private double[] rows = new double[0]; // (size, in)
  private double[] images = new double[0]; // (size, out)
  private int size;

  /**
   * @param block rows at a time
   */
  KrylovSpace(int block, int out, int in) {
    this.block = block;
    this.in = in;
    this.out = out;
  }

  /**
   * Takes what is in the space out of the next block and makes its rows orthonormal; where they
   * have fewer dimensions, some become zero.
   *
   * @param next (.., in), of which those from {@code first} on are the block
   */
  void orthonormalize(float[] next, int first) {
    double[] x = doubles(next, first * in, block * in);
    for (double leastLeft : LEAST_LEFT) {
      double[] lengths = squaredLengths(x);
      if (size > 0) {
        double[] shares = new double[block * size];
        double[] known = new double[block * in];
        Blas.get().dgemm(false, true, block, size, in, x, rows, shares);
        Blas.get().dgemm(false, false, block, in, size, shares, rows, known);
        for (int i = 0; i < x.length; i++) {
          x[i] -= known[i];
        }
      }
      x = orthonormal(x, lengths, leastLeft);
    }
    for (int i = 0; i < x.length; i++) {
      next[first * in + i] = (float) x[i];
    }
  }

  private static double[] doubles(float[] values, int start, int count) {
    double[] doubles = new double[count];
    for (int i = 0; i < count; i++) {
      doubles[i] = values[start + i];
    }
    return doubles;
  }

  private double[] squaredLengths(double[] x) {
    double[] lengths = new double[block];
    for (int i = 0; i < x.length; i++) {
      lengths[i / in] += x[i] * x[i];
    }
    return lengths;
  }

  /** By the eigenvectors of the rows' products, to scale (Stathopoulos and Wu 2002, SVQB). */
  private double[] orthonormal(double[] x, double[] lengths, double leastLeft) {
    double[] scales = new double[block];
    Arrays.setAll(scales, i -> lengths[i] == 0 ? 0 : 1 / Math.sqrt(lengths[i]));
    double[] gram = new double[block * block];
    Blas.get().dgemm(false, true, block, block, in, x, x, gram);
    for (int i = 0; i < gram.length; i++) {
      gram[i] *= scales[i / block] * scales[i % block];
    }
    SymmetricEigen eigen = SymmetricEigen.of(gram, block);
    double[] mix = eigen.vectors();
    for (int i = 0; i < mix.length; i++) {
      double left = eigen.values()[i / block];
      mix[i] *= left <= leastLeft ? 0 : scales[i % block] / Math.sqrt(left);
    }
    double[] orthonormal = new double[x.length];
    Blas.get().dgemm(false, false, block, in, block, mix, x, orthonormal);
    return orthonormal;
  }

  /**
   * Adds a block.
   *
   * @param next (.., in), whose rows from {@code first} on were made orthonormal here
   * @param nextImages (.., out), theirs
   */
  void add(float[] next, float[] nextImages, int first) {
    rows = joined(rows, doubles(next, first * in, block * in));
    images = joined(images, doubles(nextImages, first * out, block * out));
    size += block;
  }

  private static double[] joined(double[] a, double[] b) {
    double[] both = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, both, a.length, b.length);
    return both;
  }

  /** σ₁² of W on this space, which is at most that of W. */
  double largestSquare() {
    double[] gram = new double[size * size];
    Blas.get().dgemm(false, true, size, size, out, images, images, gram);
    return SymmetricEigen.of(gram, size).values()[0];
  }
}
