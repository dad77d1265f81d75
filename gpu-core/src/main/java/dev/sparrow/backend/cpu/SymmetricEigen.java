package dev.sparrow.backend.cpu;

/**
 * The eigenvalues and eigenvectors of a symmetric matrix, by LAPACK's divide and conquer, or where
 * there is no native library by cyclic Jacobi rotations.
 *
 * @param values descending, (n)
 * @param vectors (n, n): row i is the unit eigenvector of values[i]
 */
public record SymmetricEigen(double[] values, double[] vectors) {
  private static final int MAX_SWEEPS = 60;

  /**
   * @param a (n, n), of which one triangle is read; left as it is
   * @throws ArithmeticException where an element is not finite
   */
  public static SymmetricEigen of(double[] a, int n) {
    return Lapack.AVAILABLE ? byLapack(a, n) : byJacobi(a, n);
  }

  static SymmetricEigen byLapack(double[] a, int n) {
    double[] vectors = a.clone();
    double[] values = new double[n];
    Lapack.dsyevd(vectors, n, values);
    for (int i = 0; i < n / 2; i++) {
      double low = values[i];
      values[i] = values[n - 1 - i];
      values[n - 1 - i] = low;
      swapRows(vectors, n, i, n - 1 - i);
    }
    return new SymmetricEigen(values, vectors);
  }

  /** Golub and Van Loan, Matrix Computations, §8.5. */
  static SymmetricEigen byJacobi(double[] a, int n) {
    double[] m = a.clone();
    double[] vectors = new double[n * n];
    for (int i = 0; i < n; i++) {
      vectors[i * n + i] = 1;
    }
    double norm = 0;
    for (double element : m) {
      norm += element * element;
    }
    if (!Double.isFinite(norm)) {
      throw new ArithmeticException("eigenvectors: expected finite elements, got others");
    }
    int sweeps = 0;
    while (offDiagonal(m, n) > 1e-30 * norm && sweeps++ < MAX_SWEEPS) {
      for (int p = 0; p < n - 1; p++) {
        for (int q = p + 1; q < n; q++) {
          rotate(m, vectors, n, p, q);
        }
      }
    }
    return descending(m, vectors, n);
  }

  private static double offDiagonal(double[] m, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        sum += i == j ? 0 : m[i * n + j] * m[i * n + j];
      }
    }
    return sum;
  }

  /** Makes element (p, q) zero. */
  private static void rotate(double[] m, double[] vectors, int n, int p, int q) {
    double apq = m[p * n + q];
    if (apq == 0) {
      return;
    }
    double theta = (m[q * n + q] - m[p * n + p]) / (2 * apq);
    double t = Math.copySign(1, theta) / (Math.abs(theta) + Math.hypot(theta, 1));
    double c = 1 / Math.hypot(t, 1);
    double s = t * c;
    for (int k = 0; k < n; k++) { // columns p and q
      double kp = m[k * n + p];
      double kq = m[k * n + q];
      m[k * n + p] = c * kp - s * kq;
      m[k * n + q] = s * kp + c * kq;
    }
    mixRows(m, n, p, q, c, s);
    mixRows(vectors, n, p, q, c, s);
  }

  private static void mixRows(double[] m, int n, int p, int q, double c, double s) {
    for (int k = 0; k < n; k++) {
      double pk = m[p * n + k];
      double qk = m[q * n + k];
      m[p * n + k] = c * pk - s * qk;
      m[q * n + k] = s * pk + c * qk;
    }
  }

  private static SymmetricEigen descending(double[] m, double[] vectors, int n) {
    double[] values = new double[n];
    for (int i = 0; i < n; i++) {
      values[i] = m[i * n + i];
    }
    for (int i = 0; i < n; i++) {
      int largest = i;
      for (int j = i + 1; j < n; j++) {
        largest = values[j] > values[largest] ? j : largest;
      }
      double value = values[i];
      values[i] = values[largest];
      values[largest] = value;
      swapRows(vectors, n, i, largest);
    }
    return new SymmetricEigen(values, vectors);
  }

  private static void swapRows(double[] m, int n, int i, int j) {
    for (int k = 0; k < n && i != j; k++) {
      double element = m[i * n + k];
      m[i * n + k] = m[j * n + k];
      m[j * n + k] = element;
    }
  }
}
