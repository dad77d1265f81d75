package dev.sparrow.backend.cuda;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import dev.sparrow.backend.CudaSettings.CublasUse;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Dense products of bf16 by cuBLASLt, NVIDIA's own, where its library is installed. Sums are fp32.
 * A plan for each shape is made at its first call, outside of any recording; later calls only
 * queue.
 *
 * <p>Same GPU, same library: same bits, because the heuristic looks at the shape alone, and
 * algorithm and workspace are given (cuBLAS, "Results Reproducibility"). The workspace is this
 * engine's own, so that its use can be captured in a graph and calls on the one compute stream
 * share it in turn.
 */
final class CublasLtGemm implements GemmEngine, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(CublasLtGemm.class);

  /** What cuBLAS recommends for Hopper (cublasSetWorkspace). */
  private static final long WORKSPACE_BYTES = 32L << 20;

  private final KernelQueue queue;
  private final long handle;
  private final long workspace;
  private final Map<CublasLtShape, CublasLtPlan> plans = new HashMap<>();
  private final Memory scales = new Memory(2L * Float.BYTES);

  private CublasLtGemm(KernelQueue queue, long workspace, long handle) {
    this.queue = queue;
    this.workspace = workspace;
    this.handle = handle;
    scales.setFloat(0, 1);
    scales.setFloat(Float.BYTES, 0);
  }

  /**
   * The engine; empty where it is not to be used, or need not be and the library is not to be had,
   * which is told once.
   *
   * @throws CudaUnavailableException where it is ON and the library is not to be had
   */
  static Optional<CublasLtGemm> open(KernelQueue queue, CublasUse use) {
    String asked = "train.cuda.cublas=" + use.name().toLowerCase(Locale.ROOT);
    return switch (use) {
      case OFF -> Optional.empty();
      case ON -> Optional.of(open(queue, asked));
      case AUTO, TIMED ->
          CudaLibraries.ifFound(
              () -> open(queue, asked), "dense products run on this project's kernels");
    };
  }

  private static CublasLtGemm open(KernelQueue queue, String asked) {
    long handle = CublasLt.create(asked);
    try {
      long workspace = queue.scratch("cuBLASLt's workspace").bytes(WORKSPACE_BYTES);
      return new CublasLtGemm(queue, workspace, handle);
    } catch (RuntimeException | Error failed) {
      CublasLt.cublasLtDestroy(handle); // the failure before is the one that counts
      throw failed;
    }
  }

  @Override
  public boolean fits(GemmCall call) {
    return !call.isGrouped()
        && call.isBf16()
        && call.activation() == null // whose input is kept too, in the same pass by our kernels
        && plan(call).runs();
  }

  @Override
  public void run(GemmCall call) {
    long beta = CublasLtShape.addend(call) == null ? zero() : one();
    plan(call).run(handle, call, one(), beta, workspace, queue.stream());
  }

  private long one() {
    return Pointer.nativeValue(scales);
  }

  private long zero() {
    return one() + Float.BYTES;
  }

  private CublasLtPlan plan(GemmCall call) {
    CublasLtShape shape = CublasLtShape.of(call);
    CublasLtPlan plan = plans.get(shape);
    if (plan == null) {
      queue.staging().requireNotRecording("it multiplies other shapes");
      plan = new CublasLtPlan(handle, shape, call, WORKSPACE_BYTES);
      plans.put(shape, plan);
      LOG.debug("{}: {}", shape, plan.runs() ? CublasLt.version() : "no algorithm of cuBLASLt's");
    }
    return plan;
  }

  @Override
  public String description() {
    return CublasLt.version() + " for dense products";
  }

  /** Once nothing queued runs any more; the workspace is the queue's to free. */
  @Override
  public void close() {
    try (Opened all = new Opened()) {
      all.add(() -> CublasLt.check("cublasLtDestroy", CublasLt.cublasLtDestroy(handle), "closing"));
      plans.values().forEach(all::add);
    }
    plans.clear();
  }
}
