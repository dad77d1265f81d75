package dev.sparrow.sparsity.lowrank;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Rows that stay orthonormal while a space grows. */
class KrylovSpaceTest {
  private static final int BLOCK = 4;
  private static final int OUT = 40;
  private static final int IN = 60;

  /** Singular values 1, 1/4, 1/16 ..: each new block lies nearly in the space before it. */
  private static float[] steep() {
    float[] w = new float[OUT * IN];
    float[] full = Matrices.normal(OUT * IN, 1, 3);
    float[] u = new float[OUT * OUT];
    float[] v = new float[OUT * IN];
    new Factorization(full, 0, OUT, IN).write(OUT, 0, u, v);
    for (int k = 0; k < OUT; k++) {
      double squareV = 0;
      for (int j = 0; j < IN; j++) {
        squareV += v[k * IN + j] * v[k * IN + j];
      }
      for (int i = 0; i < OUT; i++) {
        for (int j = 0; j < IN; j++) {
          w[i * IN + j] += (float) (Math.pow(0.25, k) * u[i * OUT + k] * v[k * IN + j] / squareV);
        }
      }
    }
    return w;
  }

  @Test
  void rowsStayOrthonormalWhereBlocksHardlyDiffer() {
    float[] w = steep();
    KrylovSpace space = new KrylovSpace(BLOCK, OUT, IN);
    float[] next = Matrices.normal((1 + BLOCK) * IN, 1, 4);
    float[] all = new float[0];
    double before = 0;
    for (int round = 0; round < 4; round++) {
      space.orthonormalize(next, 1); // from the second row on
      float[] q = Arrays.copyOfRange(next, IN, next.length);
      all = Arrays.copyOf(all, all.length + q.length);
      System.arraycopy(q, 0, all, all.length - q.length, q.length);
      float[] images = Matrices.product(q, transposed(w), BLOCK, IN, OUT);
      float[] shifted = new float[(1 + BLOCK) * OUT];
      System.arraycopy(images, 0, shifted, OUT, images.length);
      space.add(next, shifted, 1);
      double largest = space.largestSquare();
      assertTrue(largest >= before - 1e-5 && largest <= 1 + 1e-5, "round " + round + " " + largest);
      before = largest;
      System.arraycopy(Matrices.product(images, w, BLOCK, OUT, IN), 0, next, IN, BLOCK * IN);
    }
    assertEquals(1, before, 1e-5);
    int size = all.length / IN;
    float[] gram = Matrices.product(all, transposed(all, size), size, IN, size);
    for (int i = 0; i < size; i++) {
      for (int j = 0; j < i; j++) {
        assertEquals(0, gram[i * size + j], 1e-5, i + ", " + j);
      }
      float length = gram[i * size + i];
      assertTrue(length == 0 || Math.abs(length - 1) < 1e-5, i + ": " + length);
    }
  }

  private static float[] transposed(float[] w) {
    return transposed(w, OUT);
  }

  private static float[] transposed(float[] a, int rows) {
    int columns = a.length / rows;
    float[] t = new float[a.length];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        t[j * rows + i] = a[i * columns + j];
      }
    }
    return t;
  }

  /** Of four rows, one of them twice, in five dimensions three are left; of the next four two. */
  @Test
  void rowsThatDependOnOthersBecomeZero() {
    KrylovSpace space = new KrylovSpace(BLOCK, 3, 5);
    float[] first = Matrices.normal(BLOCK * 5, 1, 1);
    System.arraycopy(first, 0, first, 2 * 5, 5);
    space.orthonormalize(first, 0);
    assertEquals(3, unitRows(first));
    space.add(first, new float[BLOCK * 3], 0);
    float[] second = Matrices.normal(BLOCK * 5, 1, 2);
    space.orthonormalize(second, 0);
    assertEquals(2, unitRows(second));
    space.add(second, new float[BLOCK * 3], 0);
    space.orthonormalize(second, 0);
    assertEquals(0, unitRows(second));
  }

  /** The others are zero. */
  private static int unitRows(float[] rows) {
    int units = 0;
    for (int i = 0; i < BLOCK; i++) {
      double square = 0;
      for (int k = 0; k < 5; k++) {
        square += rows[i * 5 + k] * rows[i * 5 + k];
      }
      assertTrue(square == 0 || Math.abs(square - 1) < 1e-5, i + ": " + square);
      units += square > 0 ? 1 : 0;
    }
    return units;
  }
}
