package dev.sparrow.backend.cuda;

import dev.sparrow.backend.cuda.GemmCall.Form;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Map;

/**
 * Launches of {@code gemm/hopper_gemm.cu}: operands by the copy engine, products by warpgroups;
 * compute capability 9.0 alone. A tensor map of each operand is made when it is first seen, and
 * kept.
 */
final class HopperGemm implements GemmEngine {
  private static final String TILE = "128x256x64";
  private static final int ROWS = 128;
  private static final int COLUMNS = 256;
  private static final int DEPTH = 64;
  private static final int STAGES = 4;
  private static final int THREADS = 384;

  /** Stages, then eight warps' strips of 16 rows of 36 floats, then two barriers a stage. */
  private static final int SHARED_BYTES =
      STAGES * (ROWS + COLUMNS) * DEPTH * 2 + 8 * 16 * 36 * Float.BYTES + 2 * STAGES * Long.BYTES;

  /** A launch that fills less of the device than this is better cut into smaller tiles. */
  private static final double LEAST_FILLED = 0.5;

  private final KernelQueue queue;
  private final TensorMaps encoder;
  private final Map<Form, Launch> dense = new EnumMap<>(Form.class);
  private final Map<Form, Launch> grouped = new EnumMap<>(Form.class);
  private final Map<Operand, TensorMap> maps = new HashMap<>();

  /**
   * An operand as the copy engine sees it.
   *
   * @param columns elements of a stored row
   * @param rows stored rows of a group
   * @param boxRows rows of a box; its columns are always 64
   */
  private record Operand(long address, int columns, int rows, int groups, int boxRows) {}

  HopperGemm(KernelQueue queue) {
    this.queue = queue;
    this.encoder = new TensorMaps(queue.device().driver());
    for (Form form : Form.values()) {
      String name = "gemm_" + form.entry() + (form == Form.TN ? "_f32_" : "_bf16_") + TILE;
      dense.put(form, queue.kernel("hopper_" + name));
      grouped.put(form, queue.kernel("hopper_grouped_" + name));
    }
  }

  /** Whether the device runs these kernels. */
  static boolean runsOn(ComputeCapability capability) {
    return capability.architectures().contains(ComputeCapability.HOPPER);
  }

  @Override
  public boolean fits(GemmCall call) {
    return call.isBf16()
        && call.isAligned()
        && !call.isGathered() // the copy engine of 9.0 takes boxes of neighbouring rows
        && tiles(call) >= LEAST_FILLED * queue.device().multiprocessors();
  }

  private static long tiles(GemmCall call) {
    long down = (call.m() + ROWS - 1) / ROWS;
    long across = (call.n() + COLUMNS - 1) / COLUMNS;
    return down * across * (call.form() == Form.TN ? call.groups() : 1);
  }

  @Override
  public void run(GemmCall call) {
    Launch launch = (call.isGrouped() ? grouped : dense).get(call.form());
    TensorMap a = map(operandA(call));
    TensorMap b = map(operandB(call));
    launch
        .grid(queue.device().multiprocessors())
        .block(THREADS)
        .shared(SHARED_BYTES)
        .arguments()
        .tensorMap(a)
        .tensorMap(b)
        .struct(call.struct());
    queue.run(launch);
  }

  private static Operand operandA(GemmCall call) {
    long address = DeviceStorage.address(call.a());
    return call.form() == Form.TN
        ? new Operand(address, call.m(), call.k(), 1, DEPTH)
        : new Operand(address, call.k(), call.m(), 1, ROWS);
  }

  private static Operand operandB(GemmCall call) {
    Tensor b = call.b();
    long address = DeviceStorage.address(b);
    int groups = call.groupStrideB() == 0 ? 1 : call.groups();
    return call.form() == Form.NT
        ? new Operand(address, call.k(), call.n(), groups, COLUMNS)
        : new Operand(address, call.n(), call.k(), groups, DEPTH);
  }

  private TensorMap map(Operand operand) {
    return maps.computeIfAbsent(operand, this::encode);
  }

  private TensorMap encode(Operand o) {
    long rowBytes = (long) o.columns * DType.BF16.bytes();
    return encoder.encode(
        new TensorMapSpec(
            DType.BF16,
            o.address,
            new long[] {o.columns, o.rows, o.groups},
            new long[] {rowBytes, rowBytes * o.rows},
            new int[] {DEPTH, o.boxRows, 1},
            TensorMapSpec.Swizzle.BYTES_128));
  }

  @Override
  public String description() {
    return "wgmma kernels";
  }
}
