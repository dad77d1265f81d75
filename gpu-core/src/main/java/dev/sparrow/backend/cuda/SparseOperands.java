package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/**
 * What sparse products read in another form than it is stored, made anew for each: activations
 * transposed, values packed. Scratch memory that all sparse weights share.
 */
final class SparseOperands {
  private static final int EDGE = 64; // of a tile of transpose.cu
  private static final int TRANSPOSE_THREADS = 256;

  /** 16 bytes of bf16. */
  private static final int STRIDE_MULTIPLE = 8;

  private final KernelQueue queue;
  private final Launch transpose;
  private final Scratch x;
  private final Scratch dy;
  private final Scratch packed;

  SparseOperands(KernelQueue queue) {
    this.queue = queue;
    this.transpose = queue.kernel("transpose_bf16");
    this.x = queue.scratch("transposed input of a sparse weight");
    this.dy = queue.scratch("transposed gradient of a sparse weight");
    this.packed = queue.scratch("packed values of a sparse weight");
  }

  KernelQueue queue() {
    return queue;
  }

  /**
   * Whether blocks of a large tile keep the device busy enough: three of four multiprocessors do as
   * much with it as all of them with a small one.
   */
  boolean fills(int blocks) {
    return 4L * blocks >= 3L * queue.device().multiprocessors();
  }

  /** Elements of a row of a transposed matrix of so many rows. */
  static int stride(int rows) {
    return padded(rows);
  }

  /** The next multiple of 16 bytes of bf16. */
  static int padded(int elements) {
    return Math.multiplyExact((elements + STRIDE_MULTIPLE - 1) / STRIDE_MULTIPLE, STRIDE_MULTIPLE);
  }

  /** Address of the transpose of an input, or of the gradient in a product that has one alone. */
  long transposed(Tensor matrix) {
    return transposed(matrix, x);
  }

  /** Address of the transpose of the gradient beside {@link #transposed}. */
  long transposedGradient(Tensor matrix) {
    return transposed(matrix, dy);
  }

  private long transposed(Tensor matrix, Scratch scratch) {
    int rows = matrix.rows();
    int columns = matrix.columns();
    int stride = stride(rows);
    long address = scratch.bytes((long) columns * stride * DType.BF16.bytes());
    transpose
        .grid((rows + EDGE - 1) / EDGE, (columns + EDGE - 1) / EDGE, 1)
        .block(TRANSPOSE_THREADS);
    transpose.arguments().tensor(matrix).address(address).int32(rows).int32(columns).int64(stride);
    queue.run(transpose);
    return address;
  }

  /** Room for packed values. */
  long packed(long bytes) {
    return packed.bytes(bytes);
  }
}
