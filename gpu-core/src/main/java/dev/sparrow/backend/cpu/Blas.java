package dev.sparrow.backend.cpu;

import dev.ludovic.netlib.blas.BLAS;
import dev.ludovic.netlib.blas.JavaBLAS;
import dev.ludovic.netlib.blas.NativeBLAS;
import dev.sparrow.backend.HostPool;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.global.openblas_nolapack;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Matrix products on row-major Java arrays, run by the calling thread alone.
 *
 * <p>The native one is OpenBLAS, as the bytedeco jar carries it, called through netlib's JNI, which
 * pins arrays instead of copying them. OpenBLAS is held to one thread: work is split over a {@link
 * HostPool}, so that ranks that share a JVM do not fight for cores. Thread-safe.
 *
 * <p>A library named in the system property {@code dev.ludovic.netlib.blas.nativeLibPath} is taken
 * instead; it must be held to one thread by its own means, such as {@code OPENBLAS_NUM_THREADS}.
 *
 * <p>Where no native library can be loaded, netlib's Java code takes its place and says so once.
 * The system property {@value #PROPERTY} or the environment variable {@value #ENVIRONMENT}, set to
 * {@code java}, asks for that.
 */
public final class Blas {
  /** {@code native} (the default) or {@code java}. */
  public static final String PROPERTY = "sparrow.blas";

  /** The same as {@link #PROPERTY}, which comes first. */
  public static final String ENVIRONMENT = "SPARROW_BLAS";

  private static final Logger LOG = LoggerFactory.getLogger(Blas.class);
  private static final String NETLIB_PATH = "dev.ludovic.netlib.blas.nativeLibPath";
  private static final String LIBRARY = "libopenblas_nolapack";

  private final BLAS netlib;
  private final boolean isNative;
  private final String description;

  private Blas(BLAS netlib, boolean isNative, String description) {
    this.netlib = netlib;
    this.isNative = isNative;
    this.description = description;
  }

  /** The process's BLAS, loaded at the first call. */
  public static Blas get() {
    return Shared.INSTANCE;
  }

  /** netlib's Java code, 10 to 50 times slower than the native library. */
  static Blas java() {
    BLAS netlib = JavaBLAS.getInstance();
    return new Blas(netlib, false, "Java BLAS (" + netlib.getClass().getSimpleName() + ")");
  }

  /** False where products run in Java. */
  public boolean isNative() {
    return isNative;
  }

  /** File of the native library, which may hold LAPACK too; null where products run in Java. */
  String libraryPath() {
    return isNative ? System.getProperty(NETLIB_PATH) : null;
  }

  /** The library in words. */
  public String description() {
    return description;
  }

  /**
   * {@code C = alpha·op(A)·op(B) + beta·C}, all row-major, where op transposes if asked.
   *
   * <p>BLAS is column-major, where a row-major matrix is its transpose: {@code Cᵀ = op(B)ᵀ·op(A)ᵀ},
   * so the operands change places and nothing else does.
   *
   * @param m rows of C and of op(A)
   * @param n columns of C and of op(B)
   * @param k columns of op(A), rows of op(B); at least 1
   * @param lda elements from one stored row of A to the next; ldb and ldc likewise
   */
  public void sgemm(
      boolean transposeA,
      boolean transposeB,
      int m,
      int n,
      int k,
      float alpha,
      float[] a,
      int aOffset,
      int lda,
      float[] b,
      int bOffset,
      int ldb,
      float beta,
      float[] c,
      int cOffset,
      int ldc) {
    String first = transposeB ? "T" : "N";
    String second = transposeA ? "T" : "N";
    netlib.sgemm(
        first, second, n, m, k, alpha, b, bOffset, ldb, a, aOffset, lda, beta, c, cOffset, ldc);
  }

  /** {@code C = op(A)·op(B)} in double, otherwise as {@link #sgemm}; all rows follow each other. */
  public void dgemm(
      boolean transposeA,
      boolean transposeB,
      int m,
      int n,
      int k,
      double[] a,
      double[] b,
      double[] c) {
    int lda = transposeA ? m : k;
    int ldb = transposeB ? k : n;
    String first = transposeB ? "T" : "N";
    String second = transposeA ? "T" : "N";
    netlib.dgemm(first, second, n, m, k, 1, b, ldb, a, lda, 0, c, n);
  }

  /** Loaded on first use, once per process. */
  private static final class Shared {
    static final Blas INSTANCE = load();
  }

  /** Loads anew, for {@link Shared} and for tests of the choice. */
  static Blas load() {
    String wanted =
        System.getProperty(PROPERTY, System.getenv().getOrDefault(ENVIRONMENT, "native"));
    if (wanted.equals("java")) {
      return warned(PROPERTY + " asks for it", null, "unset " + PROPERTY + " and " + ENVIRONMENT);
    }
    if (!wanted.equals("native")) {
      throw new IllegalArgumentException(
          PROPERTY + ": expected native or java, got " + wanted + "; leave it unset for native");
    }
    try {
      return openBlas();
    } catch (IOException | RuntimeException | LinkageError e) {
      return warned(
          e.toString(),
          e,
          "put org.bytedeco:openblas and org.bytedeco:javacpp of this platform ("
              + Loader.getPlatform()
              + ") on the class path and make their cache directory writable, or name a library in"
              + " the system property "
              + NETLIB_PATH);
    }
  }

  private static Blas warned(String reason, Throwable cause, String cure) {
    Blas blas = java();
    LOG.warn(
        "No native BLAS: {}. Matrix products run in {}, 10 to 50 times slower. Cure: {}.",
        reason,
        blas.description,
        cure);
    if (cause != null) {
      LOG.debug("Loading the native BLAS failed", cause);
    }
    return blas;
  }

  private static Blas openBlas() throws IOException {
    String chosen = System.getProperty(NETLIB_PATH);
    if (chosen != null) {
      return new Blas(NativeBLAS.getInstance(), true, chosen + " through JNI");
    }
    Path loaded = Path.of(Loader.load(openblas_nolapack.class));
    Path library = library(loaded.getParent());
    openblas_nolapack.blas_set_num_threads(1);
    // netlib reads the property once, when its class is initialised.
    System.setProperty(NETLIB_PATH, library.toString());
    BLAS netlib = NativeBLAS.getInstance();
    return new Blas(netlib, true, "OpenBLAS " + openBlasVersion() + " through JNI");
  }

  private static Path library(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      Optional<Path> library =
          files
              .filter(file -> file.getFileName().toString().startsWith(LIBRARY))
              .sorted()
              .findFirst();
      return library.orElseThrow(
          () -> new IOException("expected " + LIBRARY + ".* in " + directory + ", found none"));
    }
  }

  private static String openBlasVersion() {
    String version = openblas_nolapack.class.getPackage().getImplementationVersion();
    return version == null ? "(bytedeco)" : version;
  }
}
