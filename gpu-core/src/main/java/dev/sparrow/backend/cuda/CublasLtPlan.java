package dev.sparrow.backend.cuda;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import dev.sparrow.backend.cuda.GemmCall.Form;
import dev.sparrow.tensor.Tensor;

/**
 * A product of one shape as cuBLASLt knows it: its descriptors, and the algorithm that its
 * heuristic prefers. Made once for all calls of that shape.
 *
 * <p>The library stores matrices by columns, so that a matrix stored by rows is to it the
 * transposed one. {@code Cᵀ = Bᵀ·Aᵀ}: its A is our B and its B our A, its m is our n, and the bias
 * is as long as its D has rows.
 */
final class CublasLtPlan implements AutoCloseable {
  private final CublasLtShape shape;
  private final Memory result = new Memory(CublasLt.RESULT_BYTES);
  private final Opened objects = new Opened();
  private final CublasLtObject product;
  private final CublasLtObject layoutA;
  private final CublasLtObject layoutB;
  private final CublasLtObject layoutC;
  private final boolean runs;
  private long bias;

  /**
   * @param call one of the shape
   * @param workspaceBytes most that the algorithm may use
   */
  CublasLtPlan(long handle, CublasLtShape shape, GemmCall call, long workspaceBytes) {
    this.shape = shape;
    try {
      product = objects.add(product(call));
      Form form = shape.form();
      layoutA = layout(CublasLt.R_16BF, call.strideB(), form == Form.NT ? shape.n() : shape.k());
      layoutB = layout(CublasLt.R_16BF, call.strideA(), form == Form.TN ? shape.k() : shape.m());
      layoutC = layout(form == Form.TN ? CublasLt.R_32F : CublasLt.R_16BF, shape.n(), shape.m());
      runs = choose(handle, workspaceBytes);
    } catch (RuntimeException | Error failed) {
      objects.closeAfter(failed);
      throw failed;
    }
  }

  private CublasLtObject product(GemmCall call) {
    Form form = shape.form();
    CublasLtObject made = CublasLtObject.product(shape);
    made.set(CublasLt.DESC_TRANSA, form == Form.NT ? CublasLt.OP_T : CublasLt.OP_N);
    made.set(CublasLt.DESC_TRANSB, form == Form.TN ? CublasLt.OP_T : CublasLt.OP_N);
    if (shape.hasBias()) {
      bias = DeviceStorage.address(call.bias()); // the heuristic looks at its alignment
      made.set(CublasLt.DESC_EPILOGUE, CublasLt.EPILOGUE_BIAS);
      made.set(CublasLt.DESC_BIAS_POINTER, bias);
    }
    return made;
  }

  private CublasLtObject layout(int elements, long rows, long columns) {
    return objects.add(CublasLtObject.matrix(shape, elements, rows, columns));
  }

  /** Takes the heuristic's first choice; whether it has one. */
  private boolean choose(long handle, long workspaceBytes) {
    int[] returned = new int[1];
    try (CublasLtObject preference = preference(workspaceBytes)) {
      int status =
          CublasLt.cublasLtMatmulAlgoGetHeuristic(
              handle,
              product.handle(),
              layoutA.handle(),
              layoutB.handle(),
              layoutC.handle(),
              layoutC.handle(),
              preference.handle(),
              1,
              Pointer.nativeValue(result),
              returned);
      if (status == CublasLt.STATUS_NOT_SUPPORTED) {
        return false;
      }
      CublasLt.check("cublasLtMatmulAlgoGetHeuristic", status, shape);
    }
    return returned[0] > 0
        && result.getInt(CublasLt.RESULT_STATE_OFFSET) == CublasLt.STATUS_SUCCESS;
  }

  /**
   * Sums stay fp32 also where the depth is cut into parts: the other schemes for these would round
   * them to bf16, or add into C part by part.
   */
  private CublasLtObject preference(long workspaceBytes) {
    return CublasLtObject.preference(shape)
        .set(CublasLt.PREF_MAX_WORKSPACE_BYTES, workspaceBytes)
        .set(CublasLt.PREF_REDUCTION_SCHEME_MASK, CublasLt.REDUCTION_SCHEME_COMPUTE_TYPE)
        .set(CublasLt.PREF_MIN_ALIGNMENT_A_BYTES, shape.alignB())
        .set(CublasLt.PREF_MIN_ALIGNMENT_B_BYTES, shape.alignA())
        .set(CublasLt.PREF_MIN_ALIGNMENT_C_BYTES, shape.alignC())
        .set(CublasLt.PREF_MIN_ALIGNMENT_D_BYTES, shape.alignC());
  }

  /** Whether the library has an algorithm for this shape. */
  boolean runs() {
    return runs;
  }

  /**
   * Queues a call of this plan's shape.
   *
   * @param alpha host address of an fp32 number, as beta
   * @param workspace device address, aligned to 256 bytes
   */
  void run(long handle, GemmCall call, long alpha, long beta, long workspace, Stream stream) {
    stream.note(this);
    bias(call);
    long c = DeviceStorage.address(call.c());
    Tensor addend = CublasLtShape.addend(call);
    int status =
        CublasLt.cublasLtMatmul(
            handle,
            product.handle(),
            alpha,
            DeviceStorage.address(call.b()),
            layoutA.handle(),
            DeviceStorage.address(call.a()),
            layoutB.handle(),
            beta,
            addend == null ? c : DeviceStorage.address(addend),
            layoutC.handle(),
            c,
            layoutC.handle(),
            Pointer.nativeValue(result),
            workspace,
            result.getLong(CublasLt.RESULT_WORKSPACE_OFFSET),
            stream.address());
    CublasLt.check("cublasLtMatmul", status, shape);
  }

  private void bias(GemmCall call) {
    if (shape.hasBias() && DeviceStorage.address(call.bias()) != bias) {
      bias = DeviceStorage.address(call.bias());
      product.set(CublasLt.DESC_BIAS_POINTER, bias);
    }
  }

  /** As the last launch is named in messages. */
  @Override
  public String toString() {
    return "cublasLtMatmul " + shape;
  }

  @Override
  public void close() {
    objects.close();
  }
}
