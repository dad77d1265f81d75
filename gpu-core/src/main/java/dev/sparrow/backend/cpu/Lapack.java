package dev.sparrow.backend.cpu;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** LAPACK's C interface in the library that {@link Blas} has loaded, where it holds one. */
final class Lapack {
  private static final Logger LOG = LoggerFactory.getLogger(Lapack.class);
  private static final int COLUMN_MAJOR = 102;

  /** False where there is none. */
  static final boolean AVAILABLE = bind();

  private Lapack() {}

  private static boolean bind() {
    String library = Blas.get().libraryPath();
    if (library == null) {
      return false; // Blas has said so and told the cure
    }
    try {
      Native.register(Lapack.class, NativeLibrary.getInstance(library));
      return true;
    } catch (LinkageError missing) {
      LOG.warn(
          "No LAPACK in {}: {}. Eigenvectors are computed in Java, many times slower. Cure: name a"
              + " library that exports LAPACKE_dsyevd, such as a whole OpenBLAS.",
          library,
          missing.toString());
      return false;
    }
  }

  /**
   * Eigenvalues, ascending, and eigenvectors of a symmetric matrix by divide and conquer.
   *
   * @param a (n, n); assigned the eigenvectors, one after the other
   * @param values (n)
   */
  static void dsyevd(double[] a, int n, double[] values) {
    int info = LAPACKE_dsyevd(COLUMN_MAJOR, (byte) 'V', (byte) 'U', n, a, n, values);
    if (info != 0) {
      throw new ArithmeticException(
          "dsyevd: expected finite elements, from which it converges, got info " + info);
    }
  }

  private static native int LAPACKE_dsyevd(
      int layout, byte job, byte triangle, int n, double[] a, int lda, double[] values);
}
