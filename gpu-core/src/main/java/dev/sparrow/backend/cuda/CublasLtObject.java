package dev.sparrow.backend.cuda;

/**
 * An object of cuBLASLt's: what a product is, how a matrix lies, or what the search for an
 * algorithm may choose from. Who creates closes; what is queued already does not need it.
 */
final class CublasLtObject implements AutoCloseable {
  /** The library's name of the type, and what it does with one. */
  private enum Type {
    MATMUL_DESC(
        "cublasLtMatmulDesc",
        CublasLt::cublasLtMatmulDescSetAttribute,
        CublasLt::cublasLtMatmulDescDestroy),
    MATRIX_LAYOUT("cublasLtMatrixLayout", null, CublasLt::cublasLtMatrixLayoutDestroy),
    MATMUL_PREFERENCE(
        "cublasLtMatmulPreference",
        CublasLt::cublasLtMatmulPreferenceSetAttribute,
        CublasLt::cublasLtMatmulPreferenceDestroy);

    private final String words;
    private final Setter setter;
    private final Destroyer destroyer;

    Type(String words, Setter setter, Destroyer destroyer) {
      this.words = words;
      this.setter = setter;
      this.destroyer = destroyer;
    }
  }

  private interface Creator {
    int create(long[] handle);
  }

  private interface Setter {
    int set(long handle, int attribute, long[] value, long bytes);
  }

  private interface Destroyer {
    int destroy(long handle);
  }

  private final Type type;
  private final CublasLtShape shape;
  private final long[] handle = new long[1];
  private final long[] value = new long[1];

  private CublasLtObject(Type type, CublasLtShape shape, Creator creator) {
    this.type = type;
    this.shape = shape;
    CublasLt.check(type.words + "Create", creator.create(handle), shape);
  }

  /** A product summed in fp32, with fp32 factors. */
  static CublasLtObject product(CublasLtShape shape) {
    return new CublasLtObject(
        Type.MATMUL_DESC,
        shape,
        made -> CublasLt.cublasLtMatmulDescCreate(made, CublasLt.COMPUTE_32F, CublasLt.R_32F));
  }

  /**
   * So many contiguous columns of {@code rows} elements.
   *
   * @param elements a cudaDataType
   */
  static CublasLtObject matrix(CublasLtShape shape, int elements, long rows, long columns) {
    return new CublasLtObject(
        Type.MATRIX_LAYOUT,
        shape,
        made -> CublasLt.cublasLtMatrixLayoutCreate(made, elements, rows, columns, rows));
  }

  /** All algorithms that need no workspace and 256-byte alignment at most, until more is set. */
  static CublasLtObject preference(CublasLtShape shape) {
    return new CublasLtObject(
        Type.MATMUL_PREFERENCE, shape, CublasLt::cublasLtMatmulPreferenceCreate);
  }

  /**
   * Sets an attribute of 32 bits: the lower half of a long on the little-endian hosts there are.
   */
  CublasLtObject set(int attribute, int bits) {
    return set(attribute, bits & 0xffffffffL, Integer.BYTES);
  }

  /** Sets an attribute of 64 bits. */
  CublasLtObject set(int attribute, long bits) {
    return set(attribute, bits, Long.BYTES);
  }

  private CublasLtObject set(int attribute, long bits, long bytes) {
    value[0] = bits;
    CublasLt.check(
        type.words + "SetAttribute(" + attribute + ")",
        type.setter.set(handle[0], attribute, value, bytes),
        shape);
    return this;
  }

  long handle() {
    return handle[0];
  }

  @Override
  public void close() {
    if (handle[0] != 0) {
      long live = handle[0];
      handle[0] = 0;
      CublasLt.check(type.words + "Destroy", type.destroyer.destroy(live), shape);
    }
  }
}
