package dev.sparrow.bench;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.ptr.PointerByReference;
import java.util.Optional;

/**
 * What the benchmark needs of Intel oneMKL's inspector-executor sparse BLAS, bound to the {@code
 * libmkl_rt} of the machine (32-bit integers) where one is found. Calls run on the calling thread
 * alone. Source: oneMKL Developer Reference for C, "Inspector-Executor Sparse BLAS Routines".
 */
final class Mkl {
  static final int COLUMN_MAJOR = 102;
  static final int ROW_MAJOR = 101;

  private static final String LIBRARY = "mkl_rt";
  private static final int SUCCESS = 0;
  private static final int BASE_ZERO = 0;
  private static final int NON_TRANSPOSE = 10;
  private static final int MANY_CALLS = 1000;

  private final GeneralMatrix.ByValue general = new GeneralMatrix.ByValue();

  private Mkl() {
    general.write();
  }

  /** The library, or nothing where it cannot be loaded. */
  static Optional<Mkl> find() {
    try {
      Native.register(Mkl.class, NativeLibrary.getInstance(LIBRARY));
    } catch (UnsatisfiedLinkError absent) {
      return Optional.empty();
    }
    MKL_Set_Num_Threads(1);
    return Optional.of(new Mkl());
  }

  /** A matrix over arrays that the caller keeps alive, optimised for {@link #multiply}. */
  Pointer csr(
      int rows, int columns, Pointer starts, Pointer indices, Pointer values, int layout, int n) {
    PointerByReference made = new PointerByReference();
    Pointer ends = starts.share(Integer.BYTES);
    check(
        "mkl_sparse_s_create_csr",
        mkl_sparse_s_create_csr(made, BASE_ZERO, rows, columns, starts, ends, indices, values));
    Pointer matrix = made.getValue();
    check(
        "mkl_sparse_set_mm_hint",
        mkl_sparse_set_mm_hint(matrix, NON_TRANSPOSE, general, layout, n, MANY_CALLS));
    check("mkl_sparse_optimize", mkl_sparse_optimize(matrix));
    return matrix;
  }

  /** {@code c = matrix·b}: b and c of {@code n} columns, dense. */
  void multiply(Pointer matrix, int layout, Pointer b, int n, int ldb, Pointer c, int ldc) {
    check(
        "mkl_sparse_s_mm",
        mkl_sparse_s_mm(NON_TRANSPOSE, 1, matrix, general, layout, b, n, ldb, 0, c, ldc));
  }

  void destroy(Pointer matrix) {
    check("mkl_sparse_destroy", mkl_sparse_destroy(matrix));
  }

  private static void check(String call, int status) {
    if (status != SUCCESS) {
      throw new IllegalStateException(call + ": expected status 0, got " + status);
    }
  }

  /** {@code struct matrix_descr} of a matrix without structure. */
  @Structure.FieldOrder({"type", "mode", "diag"})
  public static class GeneralMatrix extends Structure {
    public int type = 20; // SPARSE_MATRIX_TYPE_GENERAL
    public int mode = 40; // SPARSE_FILL_MODE_LOWER, not looked at
    public int diag = 50; // SPARSE_DIAG_NON_UNIT, not looked at

    /** Passed in registers. */
    public static final class ByValue extends GeneralMatrix implements Structure.ByValue {}
  }

  private static native void MKL_Set_Num_Threads(int threads);

  private static native int mkl_sparse_s_create_csr(
      PointerByReference matrix,
      int indexing,
      int rows,
      int columns,
      Pointer rowsStart,
      Pointer rowsEnd,
      Pointer columnIndices,
      Pointer values);

  private static native int mkl_sparse_set_mm_hint(
      Pointer matrix,
      int operation,
      GeneralMatrix.ByValue descr,
      int layout,
      int denseColumns,
      int calls);

  private static native int mkl_sparse_optimize(Pointer matrix);

  private static native int mkl_sparse_s_mm(
      int operation,
      float alpha,
      Pointer matrix,
      GeneralMatrix.ByValue descr,
      int layout,
      Pointer b,
      int columns,
      int ldb,
      float beta,
      Pointer c,
      int ldc);

  private static native int mkl_sparse_destroy(Pointer matrix);
}
