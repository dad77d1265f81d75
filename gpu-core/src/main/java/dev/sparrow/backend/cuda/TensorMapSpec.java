package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.DType;
import java.util.Arrays;

/**
 * What a TMA load fetches: a box out of a strided tensor, of up to five dimensions, the innermost
 * first. Validated as the CUDA driver API documents cuTensorMapEncodeTiled, without interleaving,
 * so that a mistake has a message and not just CUDA_ERROR_INVALID_VALUE.
 *
 * @param address device address of the first element, a multiple of 16
 * @param dims elements per dimension, innermost first
 * @param strideBytes from one index to the next, of all dimensions but the innermost
 * @param box elements per dimension of what one load fetches, each at most 256
 */
record TensorMapSpec(
    DType dtype, long address, long[] dims, long[] strideBytes, int[] box, Swizzle swizzle) {
  private static final int MOST_DIMS = 5;
  private static final int MOST_BOX = 256;
  private static final int ALIGNMENT_BYTES = 16;
  private static final long DIM_BOUND = 1L << 32;
  private static final long STRIDE_BOUND = 1L << 40;

  /** How 16-byte pieces of the box's rows are permuted in shared memory against bank conflicts. */
  enum Swizzle {
    NONE(0, Integer.MAX_VALUE),
    BYTES_32(1, 32),
    BYTES_64(2, 64),
    BYTES_128(3, 128);

    private final int code;
    private final int mostInnerBytes;

    Swizzle(int code, int mostInnerBytes) {
      this.code = code;
      this.mostInnerBytes = mostInnerBytes;
    }

    /** The driver's CUtensorMapSwizzle. */
    int code() {
      return code;
    }
  }

  TensorMapSpec {
    dims = dims.clone();
    strideBytes = strideBytes.clone();
    box = box.clone();
    require(
        dims.length >= 1 && dims.length <= MOST_DIMS, "1 to 5 dimensions", Arrays.toString(dims));
    require(
        strideBytes.length == dims.length - 1 && box.length == dims.length,
        dims.length + " box sizes and " + (dims.length - 1) + " strides",
        box.length + " and " + strideBytes.length);
    require(
        address != 0 && address % ALIGNMENT_BYTES == 0,
        "an address that is a multiple of 16",
        "0x" + Long.toHexString(address));
    for (long dim : dims) {
      require(dim >= 1 && dim <= DIM_BOUND, "dims of 1 to 2^32", Arrays.toString(dims));
    }
    for (long stride : strideBytes) {
      require(
          stride >= 0 && stride % ALIGNMENT_BYTES == 0 && stride < STRIDE_BOUND,
          "strides that are multiples of 16 bytes below 2^40",
          Arrays.toString(strideBytes));
    }
    for (int size : box) {
      require(size >= 1 && size <= MOST_BOX, "box sizes of 1 to 256", Arrays.toString(box));
    }
    requireInnerBytes(box[0] * dtype.bytes(), swizzle);
  }

  /**
   * A row-major matrix: {@code boxRows} by {@code boxColumns} of {@code rows} by {@code columns}.
   */
  static TensorMapSpec matrix(
      DType dtype, long address, MatrixExtent matrix, MatrixExtent box, Swizzle swizzle) {
    return new TensorMapSpec(
        dtype,
        address,
        new long[] {matrix.columns(), matrix.rows()},
        new long[] {matrix.columns() * dtype.bytes()},
        new int[] {Math.toIntExact(box.columns()), Math.toIntExact(box.rows())},
        swizzle);
  }

  /** Rows and columns, in elements. */
  record MatrixExtent(long rows, long columns) {}

  int rank() {
    return dims.length;
  }

  /** The driver's CUtensorMapDataType. */
  int dtypeCode() {
    return code(dtype);
  }

  @Override
  public String toString() {
    return dtype
        + " dims "
        + Arrays.toString(dims)
        + " at 0x"
        + Long.toHexString(address)
        + ", strides "
        + Arrays.toString(strideBytes)
        + " bytes, box "
        + Arrays.toString(box)
        + ", swizzle "
        + swizzle;
  }

  private static int code(DType dtype) {
    return switch (dtype) {
      case U8 -> 0;
      case U16 -> 1;
      case I32 -> 3;
      case F32 -> 7;
      case F64 -> 8;
      case BF16 -> 9;
    };
  }

  private static void requireInnerBytes(int bytes, Swizzle swizzle) {
    require(
        bytes % ALIGNMENT_BYTES == 0,
        "an innermost box of a multiple of 16 bytes",
        bytes + " bytes");
    require(
        bytes <= swizzle.mostInnerBytes,
        "an innermost box of at most " + swizzle.mostInnerBytes + " bytes for swizzle " + swizzle,
        bytes + " bytes");
  }

  private static void require(boolean holds, String expected, String got) {
    if (!holds) {
      throw new IllegalArgumentException("tensor map: expected " + expected + ", got " + got);
    }
  }
}
