package dev.sparrow.backend.cuda;

import dev.sparrow.backend.Activation;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * One product {@code C (+)= A·B (+ bias)} as kernels take it, A (m, k) and B (k, n) stored as the
 * form says, contiguous. Grouped products have ragged rows (NT, NN) or ragged depth (TN): rows
 * {@code [offsets[e], offsets[e+1])} are those of group e. Gathered ones are grouped NT and TN
 * whose x, A of NT and B of TN, is read by an index.
 *
 * <p>On its way out a product may join a residual, {@code C = A·B (+ bias) + residual}, or meet a
 * nonlinearity f: NT gives {@code h = A·B (+ bias)} and {@code C = f(h)}, NN reads h and gives
 * {@code C = A·B ⊙ f'(h)}.
 *
 * <p>Rewritten for each call, so that one makes no garbage. The struct is {@code GemmArguments} of
 * {@code gemm/gemm.cuh}.
 */
final class GemmCall {
  static final int STRUCT_BYTES = 128;

  /** Bytes that the fast kernels' loads and stores are aligned to. */
  private static final int ALIGNMENT_BYTES = 16;

  /** Elements that their strides are multiples of: 16 bytes of bf16. */
  private static final int STRIDE_MULTIPLE = 8;

  /** Which operand's depth is contiguous: n as written above, t transposed. */
  enum Form {
    /** A (m, k), B stored (n, k): forward. */
    NT("nt"),
    /** A (m, k), B (k, n): gradient of the input. */
    NN("nn"),
    /** A stored (k, m), B (k, n): gradient of the weight. */
    TN("tn");

    private final String entry;

    Form(String entry) {
      this.entry = entry;
    }

    /** As in the names of kernels. */
    String entry() {
      return entry;
    }
  }

  private final ByteBuffer struct =
      ByteBuffer.allocateDirect(STRUCT_BYTES).order(ByteOrder.nativeOrder());
  private Form form;
  private Tensor a;
  private Tensor b;
  private Tensor c;
  private Tensor bias;
  private Tensor offsets;
  private Tensor residual;
  private Activation activation;
  private Tensor preactivation;
  private Tensor rows;
  private boolean accumulate;
  private int m;
  private int n;
  private int k;
  private int groups;
  private long addressA;
  private long addressB;
  private int strideA;
  private int strideB;

  /** A dense product; sizes are those of the tensors. */
  GemmCall dense(Form form, Tensor a, Tensor b, Tensor bias, boolean accumulate, Tensor c) {
    set(form, a, b, bias, accumulate, c);
    offsets = null;
    groups = 1;
    m = form == Form.TN ? a.columns() : a.rows();
    k = form == Form.TN ? a.rows() : a.columns();
    n = form == Form.NT ? b.rows() : b.columns();
    readTensors();
    return this;
  }

  /** A grouped product; b (NT, NN) or c (TN) is (groups, rows, columns). */
  GemmCall grouped(Form form, Tensor a, Tensor b, Tensor offsets, boolean accumulate, Tensor c) {
    set(form, a, b, null, accumulate, c);
    this.offsets = offsets;
    groups = (int) offsets.size() - 1;
    m = form == Form.TN ? a.columns() : a.rows();
    k = form == Form.TN ? a.rows() : a.columns();
    n = form == Form.NT ? b.dim(1) : b.columns();
    readTensors();
    return this;
  }

  /**
   * A product around the values of a sparse weight: forward (NT) x, values and y, of the input (NN)
   * dy, values and dx, of the weight (TN) dy, x and dvalues. Its sizes are not all those of the
   * tensors; where A and B lie is for {@link #readA} and {@link #readB} to say.
   *
   * @param n also C's stride
   */
  GemmCall sparse(Form form, Tensor a, Tensor b, Tensor c, int m, int n, int k) {
    set(form, a, b, null, form == Form.TN, c);
    offsets = null;
    groups = 1;
    this.m = m;
    this.n = n;
    this.k = k;
    readA(0, 0);
    readB(0, 0);
    return this;
  }

  /** Adds to each column of C. */
  GemmCall withBias(Tensor added) {
    bias = added;
    return this;
  }

  /** Adds to what C holds. */
  GemmCall accumulating(boolean adds) {
    accumulate = adds;
    return this;
  }

  /**
   * Has this grouped NT or TN read x by an index.
   *
   * @param rows I32, the row of x for each row of the product
   */
  GemmCall gathering(Tensor rows) {
    this.rows = rows;
    if (form == Form.NT) {
      m = (int) rows.size();
    }
    return this;
  }

  private void set(Form form, Tensor a, Tensor b, Tensor bias, boolean accumulate, Tensor c) {
    residual = null;
    activation = null;
    preactivation = null;
    this.form = form;
    this.a = a;
    this.b = b;
    this.bias = bias;
    this.accumulate = accumulate;
    this.c = c;
    this.rows = null;
  }

  private void readTensors() {
    readA(DeviceStorage.address(a), form == Form.TN ? m : k);
    readB(DeviceStorage.address(b), form == Form.NT ? k : n);
  }

  /** Has kernels read A at another address, in rows that are so many elements apart. */
  void readA(long address, int stride) {
    addressA = address;
    strideA = stride;
  }

  /** As {@link #readA}, for B. */
  void readB(long address, int stride) {
    addressB = address;
    strideB = stride;
  }

  /** Adds a tensor (m, n) of C's type, not C itself. */
  GemmCall withResidual(Tensor added) {
    residual = added;
    return this;
  }

  /**
   * Applies f, or by the form its derivative.
   *
   * @param h (m, n) in bf16
   */
  GemmCall withActivation(Activation f, Tensor h) {
    activation = f;
    preactivation = h;
    return this;
  }

  Form form() {
    return form;
  }

  Tensor a() {
    return a;
  }

  Tensor b() {
    return b;
  }

  Tensor c() {
    return c;
  }

  /** (n), or null. */
  Tensor bias() {
    return bias;
  }

  /** (m, n), or null. */
  Tensor residual() {
    return residual;
  }

  /** Null: none. */
  Activation activation() {
    return activation;
  }

  /** Whether C is A·B alone, or that added to C. */
  boolean isPlain() {
    return bias == null && residual == null && activation == null;
  }

  boolean accumulates() {
    return accumulate;
  }

  boolean isGrouped() {
    return offsets != null;
  }

  boolean isGathered() {
    return rows != null;
  }

  /** Rows of C; with ragged rows the most that there can be. */
  int m() {
    return m;
  }

  /** Columns of C. */
  int n() {
    return n;
  }

  /** Depth; with ragged depth the most that all groups have together. */
  int k() {
    return k;
  }

  int groups() {
    return groups;
  }

  /** Elements from one stored row of A to the next. */
  int strideA() {
    return strideA;
  }

  int strideB() {
    return strideB;
  }

  /** From one group's weight to the next one's. */
  long groupStrideB() {
    return isGrouped() && form != Form.TN ? (long) n * k : 0;
  }

  long groupStrideC() {
    return isGrouped() && form == Form.TN ? (long) m * n : 0;
  }

  /** Whether the types are those of the tensor-core kernels. */
  boolean isBf16() {
    return a.dtype() == DType.BF16
        && b.dtype() == DType.BF16
        && c.dtype() == (form == Form.TN ? DType.F32 : DType.BF16);
  }

  /** Whether addresses and strides are what the tensor-core kernels ask for. */
  boolean isAligned() {
    return isAlignedA() && isAlignedB() && isAlignedC();
  }

  boolean isAlignedA() {
    return strideA % STRIDE_MULTIPLE == 0 && addressA % ALIGNMENT_BYTES == 0;
  }

  boolean isAlignedB() {
    return strideB % STRIDE_MULTIPLE == 0 && addressB % ALIGNMENT_BYTES == 0;
  }

  /** C and what is read in its shape; kernels find out by themselves how wide its rows may be. */
  boolean isAlignedC() {
    return isAligned(c) && isAligned(residual) && isAligned(preactivation);
  }

  private static boolean isAligned(Tensor tensor) {
    return addressOrNull(tensor) % ALIGNMENT_BYTES == 0;
  }

  private static long addressOrNull(Tensor tensor) {
    return tensor == null ? 0 : DeviceStorage.address(tensor);
  }

  /** The struct for this call. */
  ByteBuffer struct() {
    return struct(
        DeviceStorage.address(c), addressOrNull(offsets), groups, groupStrideC(), accumulate);
  }

  /**
   * The struct of this dense TN product cut into equal parts of its depth.
   *
   * @param parts device address of fp32 (count, m, n), assigned
   */
  ByteBuffer structInParts(long parts, int count) {
    return struct(parts, 0, count, (long) m * n, false);
  }

  private ByteBuffer struct(
      long cAddress, long offsetsAddress, int groupCount, long strideOfGroupsC, boolean adds) {
    struct
        .clear()
        .putLong(addressA)
        .putLong(addressB)
        .putLong(cAddress)
        .putLong(addressOrNull(bias))
        .putLong(addressOrNull(residual))
        .putLong(addressOrNull(preactivation))
        .putLong(offsetsAddress)
        .putLong(groupStrideB())
        .putLong(strideOfGroupsC)
        .putLong(strideA)
        .putLong(strideB)
        .putLong(n)
        .putInt(m)
        .putInt(n)
        .putInt(k)
        .putInt(groupCount)
        .putInt(code(activation))
        .putInt(adds ? 1 : 0)
        .putLong(addressOrNull(rows));
    return struct.flip();
  }

  /** GemmActivation of {@code gemm/gemm.cuh}. */
  private static int code(Activation f) {
    if (f == null) {
      return 0;
    }
    return switch (f) {
      case GELU -> 1;
      case GELU_TANH -> 2;
      case SILU -> 3;
      case RELU -> 4;
    };
  }

  @Override
  public String toString() {
    String kind = isGathered() ? "gathered " : isGrouped() ? "grouped " : "";
    return "%s%s a %s, b %s, c %s".formatted(kind, form.entry, a, b, c);
  }
}
