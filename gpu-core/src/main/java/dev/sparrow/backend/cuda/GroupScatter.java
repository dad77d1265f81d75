package dev.sparrow.backend.cuda;

import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.Tensor;

/**
 * Launches of {@code sparse/group_scatter.cu} for one pattern: the gradient of the input from lists
 * of rows that share their columns; mma.sync, with sums in shared memory.
 */
final class GroupScatter implements GemmEngine {
  private static final int THREADS = 256;
  private static final int BATCH = 128;
  private static final int SHARED_BYTES = SparseWalk.TILE_COLUMNS * BATCH * Float.BYTES;

  /** Rows of a tensor core's product. */
  private static final int DEPTH = 16;

  /** Bytes of two neighbouring rows of a gradient, which are loaded together. */
  private static final int PAIR_BYTES = 4;

  private final SparseOperands operands;
  private final UniformPattern pattern;
  private final DeviceWalk walk;
  private final int listRows;
  private final Launch pack;
  private final Launch launch;

  /**
   * @param walk by lists
   * @param listRows 8, 16 or 64
   */
  GroupScatter(SparseOperands operands, UniformPattern pattern, DeviceWalk walk, int listRows) {
    this.operands = operands;
    this.pattern = pattern;
    this.walk = walk;
    this.listRows = listRows;
    this.pack = operands.queue().kernel("group_scatter_pack_bf16");
    this.launch = operands.queue().kernel("group_scatter_nn_bf16_" + Math.max(listRows, DEPTH));
  }

  @Override
  public boolean fits(GemmCall call) {
    return call.isBf16() && call.isAlignedC() && DeviceStorage.address(call.a()) % PAIR_BYTES == 0;
  }

  @Override
  public void run(GemmCall call) {
    long fragments = pack(call.b());
    int tiles = (call.n() + SparseWalk.TILE_COLUMNS - 1) / SparseWalk.TILE_COLUMNS;
    launch
        .grid(Math.multiplyExact(tiles, (call.m() + BATCH - 1) / BATCH))
        .block(THREADS)
        .shared(SHARED_BYTES)
        .arguments()
        .struct(call.struct())
        .tensor(call.a())
        .address(walk.starts())
        .address(walk.columns())
        .address(walk.sources())
        .address(fragments)
        .int32(pattern.rows() / listRows)
        .int32(listRows);
    operands.queue().run(launch);
  }

  /** Address of the fragments, two values a word; lists of 8 rows are filled up to 16. */
  private long pack(Tensor values) {
    long words = (long) walk.entries() * Math.max(listRows, DEPTH) / 2;
    long fragments = operands.packed(words * Integer.BYTES);
    operands.queue().overElements(pack, words);
    pack.arguments()
        .tensor(values)
        .address(walk.sources())
        .address(fragments)
        .int64(words)
        .int32(pattern.fanIn())
        .int32(listRows);
    operands.queue().run(pack);
    return fragments;
  }

  @Override
  public String description() {
    return "lists of " + listRows + " rows on tensor cores";
  }
}
