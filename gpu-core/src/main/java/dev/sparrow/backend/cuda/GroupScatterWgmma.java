package dev.sparrow.backend.cuda;

import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/**
 * Launches of {@code sparse/group_scatter_wgmma.cu} for one pattern: the gradient of the input from
 * lists of 64 rows that share their columns; wgmma, with sums in shared memory.
 */
final class GroupScatterWgmma implements GemmEngine {
  private static final String KERNEL = "group_scatter_wgmma_nn_bf16";
  private static final int THREADS = 256;
  private static final int BATCH = 64;
  private static final int ROWS = SparseWalk.WIDE_LIST_ROWS;
  private static final int TILE_COLUMNS = SparseWalk.WIDE_TILE_COLUMNS;
  private static final int STAGES = 3;

  /** Entries that a warpgroup multiplies by at a time. */
  private static final int RUN = 64;

  /** Of both tiles: entries and columns of each stage, and the sums; of each stage rows of dy. */
  private static final int SHARED_BYTES =
      STAGES * (2 * RUN + BATCH) * ROWS * 2
          + 2 * TILE_COLUMNS * BATCH * Float.BYTES
          + STAGES * 2 * RUN * Short.BYTES;

  private static final int ALIGNMENT_BYTES = 16;

  /** Threads of the packing kernel for an entry. */
  private static final int PARTS = 4;

  private final SparseOperands operands;
  private final UniformPattern pattern;
  private final DeviceWalk walk;
  private final Launch pack;
  private final Launch launch;

  /**
   * @param walk by wide lists
   */
  GroupScatterWgmma(SparseOperands operands, UniformPattern pattern, DeviceWalk walk) {
    this.operands = operands;
    this.pattern = pattern;
    this.walk = walk;
    this.pack = operands.queue().kernel("group_scatter_wgmma_pack_bf16");
    this.launch = operands.queue().kernel(KERNEL);
  }

  /** Whether the device runs it for groups of so many rows. */
  static boolean runsOn(KernelQueue queue, int groupRows) {
    return groupRows % ROWS == 0 && queue.hasKernel(KERNEL);
  }

  @Override
  public boolean fits(GemmCall call) {
    return call.isBf16()
        && call.isAlignedC()
        && DeviceStorage.address(call.a()) % ALIGNMENT_BYTES == 0;
  }

  @Override
  public void run(GemmCall call) {
    long packed = pack(call.b());
    int tiles = (call.n() + TILE_COLUMNS - 1) / TILE_COLUMNS;
    launch
        .grid(Math.multiplyExact((tiles + 1) / 2, (call.m() + BATCH - 1) / BATCH))
        .block(THREADS)
        .shared(SHARED_BYTES)
        .arguments()
        .struct(call.struct())
        .tensor(call.a())
        .address(walk.starts())
        .address(walk.columns())
        .address(packed)
        .int32(pattern.rows() / ROWS)
        .int32(tiles);
    operands.queue().run(launch);
  }

  /** Address of the values by entries, (entries, 64). */
  private long pack(Tensor values) {
    long packed = operands.packed((long) walk.entries() * ROWS * DType.BF16.bytes());
    operands.queue().overElements(pack, (long) walk.entries() * ROWS / PARTS);
    pack.arguments()
        .tensor(values)
        .address(walk.sources())
        .address(packed)
        .int64(walk.entries())
        .int32(pattern.fanIn());
    operands.queue().run(pack);
    return packed;
  }

  @Override
  public String description() {
    return "lists of " + ROWS + " rows on wgmma";
  }
}
