package dev.sparrow.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SymmetricEigenTest {
  private static double[] symmetric(int n, long seed) {
    Random random = new Random(seed);
    double[] a = new double[n * n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        a[i * n + j] = random.nextGaussian();
        a[j * n + i] = a[i * n + j];
      }
    }
    return a;
  }

  @Test
  void theNativeLibraryHasLapack() {
    assertEquals(Blas.get().isNative(), Lapack.AVAILABLE);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 8, 33, 100})
  void vectorsTimesValuesGiveTheMatrixBack(int n) {
    double[] a = symmetric(n, n);
    double[] before = a.clone();
    for (SymmetricEigen eigen :
        new SymmetricEigen[] {SymmetricEigen.of(a, n), SymmetricEigen.byJacobi(a, n)}) {
      double[] product = new double[n * n];
      double[] gram = new double[n * n];
      for (int k = 0; k < n; k++) {
        assertTrue(k == 0 || eigen.values()[k] <= eigen.values()[k - 1], "descending at " + k);
      }
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
          for (int k = 0; k < n; k++) {
            double[] q = eigen.vectors();
            product[i * n + j] += eigen.values()[k] * q[k * n + i] * q[k * n + j];
            gram[i * n + j] += q[i * n + k] * q[j * n + k];
          }
          gram[i * n + j] -= i == j ? 1 : 0;
        }
      }
      assertArrayEquals(before, product, 1e-11 * n);
      assertArrayEquals(new double[n * n], gram, 1e-12 * n);
    }
    assertArrayEquals(before, a);
  }

  @Test
  void bothWaysFindTheSameValues() {
    double[] a = symmetric(40, 5);
    assertArrayEquals(
        SymmetricEigen.of(a, 40).values(), SymmetricEigen.byJacobi(a, 40).values(), 1e-11);
  }

  @Test
  void equalAndZeroValuesAreFound() {
    double[] a = {2, 0, 0, 0, 2, 0, 0, 0, 0};
    assertArrayEquals(new double[] {2, 2, 0}, SymmetricEigen.of(a, 3).values(), 1e-15);
    assertArrayEquals(new double[] {2, 2, 0}, SymmetricEigen.byJacobi(a, 3).values(), 1e-15);
    assertArrayEquals(new double[3], SymmetricEigen.byJacobi(new double[9], 3).values());
  }

  @Test
  void elementsThatAreNotFiniteAreRefused() {
    double[] a = {1, Double.NaN, Double.NaN, 1};
    assertThrows(ArithmeticException.class, () -> SymmetricEigen.of(a, 2));
    assertThrows(ArithmeticException.class, () -> SymmetricEigen.byJacobi(a, 2));
  }
}
