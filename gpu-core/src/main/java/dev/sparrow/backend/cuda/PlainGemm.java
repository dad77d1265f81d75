package dev.sparrow.backend.cuda;

import dev.sparrow.backend.cuda.GemmCall.Form;
import dev.sparrow.tensor.DType;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Launches of {@code gemm/plain_gemm.cu}: products of any size and alignment on CUDA cores, for
 * what the tensor-core kernels do not take.
 */
final class PlainGemm implements GemmEngine {
  private static final Logger LOG = LoggerFactory.getLogger(PlainGemm.class);
  private static final int THREADS = 128;
  private static final int BLOCKS_PER_MULTIPROCESSOR = 4;

  private final KernelQueue queue;
  private final DepthParts depthParts;
  private final Map<Kind, Launch> kernels = new HashMap<>();
  private boolean warned;

  PlainGemm(KernelQueue queue, DepthParts depthParts) {
    this.queue = queue;
    this.depthParts = depthParts;
    for (boolean grouped : new boolean[] {false, true}) {
      add(new Kind(grouped, Form.NT, DType.BF16, DType.BF16, DType.BF16));
      add(new Kind(grouped, Form.NN, DType.BF16, DType.BF16, DType.BF16));
      add(new Kind(grouped, Form.TN, DType.BF16, DType.BF16, DType.F32));
      add(new Kind(grouped, Form.TN, DType.F32, DType.BF16, DType.F32));
    }
    add(new Kind(false, Form.NT, DType.BF16, DType.F32, DType.F32));
    add(new Kind(false, Form.NN, DType.F32, DType.F32, DType.BF16));
  }

  /** What a kernel multiplies. */
  private record Kind(boolean grouped, Form form, DType a, DType b, DType c) {
    static Kind of(GemmCall call, boolean grouped) {
      return new Kind(grouped, call.form(), call.a().dtype(), call.b().dtype(), call.c().dtype());
    }

    String entry() {
      String name = (grouped ? "grouped_gemm_" : "gemm_") + form.entry();
      return "plain_%s_%s_%s_%s".formatted(name, a, b, c).toLowerCase(Locale.ROOT);
    }
  }

  private void add(Kind kind) {
    kernels.put(kind, queue.kernel(kind.entry()));
  }

  @Override
  public boolean fits(GemmCall call) {
    return kernels.containsKey(Kind.of(call, call.isGrouped()));
  }

  @Override
  public void run(GemmCall call) {
    warnOnce(call);
    int parts = depthParts.count(call, tiles(call), residentBlocks());
    Launch launch = kernels.get(Kind.of(call, call.isGrouped() || parts > 1));
    launch.grid(grid(call, parts > 1 ? parts : call.groups())).block(THREADS);
    depthParts.run(launch, call, parts);
  }

  private int grid(GemmCall call, int groups) {
    long tiles =
        call.form() == Form.TN ? tiles(call) * groups : tiles(call) + groups * across(call);
    return (int) Math.min(residentBlocks(), tiles);
  }

  private long residentBlocks() {
    return (long) BLOCKS_PER_MULTIPROCESSOR * queue.device().multiprocessors();
  }

  private static long tiles(GemmCall call) {
    int rows = call.form() == Form.TN ? 64 : 128;
    return (call.m() + rows - 1) / rows * across(call);
  }

  private static long across(GemmCall call) {
    int columns = call.form() == Form.TN ? 128 : 64;
    return (call.n() + columns - 1) / columns;
  }

  /**
   * fp32 operands come here by right; bf16 ones because of their shape, which the user can mend.
   */
  private void warnOnce(GemmCall call) {
    if (!warned && call.isBf16()) {
      warned = true;
      LOG.warn(
          "products without tensor cores: {} (and perhaps others) has rows that do not start on 16"
              + " bytes; make widths multiples of 8",
          call);
    }
  }

  @Override
  public String description() {
    return "plain kernels";
  }
}
