package dev.sparrow.backend.cuda;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.ptr.LongByReference;
import java.util.ArrayList;
import java.util.List;

/**
 * The functions of libcublasLt that this backend calls, and their numbers: those of
 * library_types.h, cublas_api.h and cublasLt.h of CUDA 12 and 13, which do not differ here (cuBLAS
 * documentation, "cuBLASLt Datatypes Reference"). Handles and pointers are their addresses; C's
 * enums are int, size_t is long.
 *
 * <p>The first library that starts is bound for the rest of the JVM. Every thread may call, after
 * {@link #create}.
 */
final class CublasLt {
  static final List<String> NAMES =
      List.of("libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so");

  /** CUBLAS_VERSION of 12.0: major times 10000, minor times 100, patch. */
  private static final long OLDEST_VERSION = 120_000;

  // cublasStatus_t
  static final int STATUS_SUCCESS = 0;
  static final int STATUS_NOT_SUPPORTED = 15;

  // cudaDataType
  static final int R_32F = 0;
  static final int R_16BF = 14;

  /** cublasComputeType_t: products of bf16 are exact in fp32, and sums are fp32. */
  static final int COMPUTE_32F = 68;

  // cublasOperation_t
  static final int OP_N = 0;
  static final int OP_T = 1;

  // cublasLtMatmulDescAttributes_t
  static final int DESC_TRANSA = 3; // int32_t
  static final int DESC_TRANSB = 4; // int32_t
  static final int DESC_EPILOGUE = 7; // uint32_t
  static final int DESC_BIAS_POINTER = 8; // void*

  /** cublasLtEpilogue_t: adds a vector of D's type and as many elements as D has rows. */
  static final int EPILOGUE_BIAS = 4;

  // cublasLtMatmulPreferenceAttributes_t
  static final int PREF_MAX_WORKSPACE_BYTES = 1; // uint64_t
  static final int PREF_REDUCTION_SCHEME_MASK = 3; // uint32_t
  static final int PREF_MIN_ALIGNMENT_A_BYTES = 5; // uint32_t, as the three below
  static final int PREF_MIN_ALIGNMENT_B_BYTES = 6;
  static final int PREF_MIN_ALIGNMENT_C_BYTES = 7;
  static final int PREF_MIN_ALIGNMENT_D_BYTES = 8;

  /**
   * cublasLtReductionScheme_t: parts of the depth meet as fp32 in the workspace, in their order.
   */
  static final int REDUCTION_SCHEME_COMPUTE_TYPE = 2;

  /**
   * cublasLtMatmulHeuristicResult_t: 64 bytes of cublasLtMatmulAlgo_t, size_t workspaceSize,
   * cublasStatus_t state, float wavesCount, int reserved[4].
   */
  static final int RESULT_BYTES = 96;

  static final int RESULT_WORKSPACE_OFFSET = 64;
  static final int RESULT_STATE_OFFSET = 72;

  private static NativeLibrary bound;

  private CublasLt() {}

  /**
   * A handle on the calling thread's context.
   *
   * @param asked the setting that asks, which leads the message
   * @throws CudaUnavailableException where no library is found or none that is found starts
   */
  static synchronized long create(String asked) {
    List<String> unusable = new ArrayList<>();
    for (String name : NAMES) {
      NativeLibrary library = bound == null ? CudaLibraries.load(name) : bound;
      if (library == null) {
        continue;
      }
      LongByReference handle = new LongByReference();
      String why = start(library, handle);
      if (why.isEmpty()) {
        bind(library);
        return handle.getValue();
      }
      unusable.add(name + " " + why);
    }
    throw unavailable(asked, unusable);
  }

  /** Why a library does not start; empty where it does. */
  private static String start(NativeLibrary library, LongByReference handle) {
    long version = library.getFunction("cublasLtGetVersion").invokeLong(new Object[0]);
    if (version < OLDEST_VERSION) {
      return "is version " + words(version) + ", older than CUDA 12's";
    }
    int status = library.getFunction("cublasLtCreate").invokeInt(new Object[] {handle});
    if (status == STATUS_SUCCESS) {
      return "";
    }
    Object[] arguments = {status};
    String name =
        library.getFunction("cublasLtGetStatusName").invokeString(arguments, /* wide= */ false);
    return "does not start (cublasLtCreate: " + status + " " + name + ")";
  }

  private static CudaUnavailableException unavailable(String asked, List<String> unusable) {
    String missing =
        unusable.isEmpty()
            ? "cuBLASLt is not found (looked for " + String.join(", ", NAMES) + ")"
            : "cuBLASLt cannot be used: " + String.join("; ", unusable);
    return new CudaUnavailableException(
        asked,
        missing,
        "install that of a CUDA version from 12 on that the driver serves and put its folder on"
            + " LD_LIBRARY_PATH, or do without by train.cuda.cublas=off");
  }

  private static void bind(NativeLibrary library) {
    if (bound == null) {
      Native.register(CublasLt.class, library);
      bound = library;
    }
  }

  /**
   * Throws unless the status is success.
   *
   * @param circumstances the product
   */
  static void check(String call, int status, Object circumstances) {
    if (status != STATUS_SUCCESS) {
      throw new CublasException(
          call, version(), status, cublasLtGetStatusName(status), circumstances.toString());
    }
  }

  /** Such as {@code cuBLASLt 12.6.4}. */
  static String version() {
    return "cuBLASLt " + words(cublasLtGetVersion());
  }

  private static String words(long version) {
    return version / 10_000 + "." + version / 100 % 100 + "." + version % 100;
  }

  private static native long cublasLtGetVersion();

  private static native String cublasLtGetStatusName(int status);

  static native int cublasLtDestroy(long handle);

  static native int cublasLtMatmulDescCreate(long[] desc, int computeType, int scaleType);

  static native int cublasLtMatmulDescSetAttribute(long desc, int attr, long[] value, long bytes);

  static native int cublasLtMatmulDescDestroy(long desc);

  /** A matrix stored by columns, {@code ld} elements from one to the next. */
  static native int cublasLtMatrixLayoutCreate(
      long[] layout, int type, long rows, long columns, long ld);

  static native int cublasLtMatrixLayoutDestroy(long layout);

  static native int cublasLtMatmulPreferenceCreate(long[] preference);

  static native int cublasLtMatmulPreferenceSetAttribute(
      long preference, int attr, long[] value, long bytes);

  static native int cublasLtMatmulPreferenceDestroy(long preference);

  static native int cublasLtMatmulAlgoGetHeuristic(
      long handle,
      long desc,
      long layoutA,
      long layoutB,
      long layoutC,
      long layoutD,
      long preference,
      int requested,
      long results,
      int[] returned);

  /** D = alpha·op(A)·op(B) + beta·C, queued on the stream. */
  static native int cublasLtMatmul(
      long handle,
      long desc,
      long alpha,
      long a,
      long layoutA,
      long b,
      long layoutB,
      long beta,
      long c,
      long layoutC,
      long d,
      long layoutD,
      long algo,
      long workspace,
      long workspaceBytes,
      long stream);
}
