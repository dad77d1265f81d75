package dev.sparrow.backend.cuda;

import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.Tensor;

/**
 * Launches of {@code sparse/group_spmm.cu} for one pattern: forward of lists of 8 or 16 rows that
 * share their columns; mma.sync over columns gathered as they are loaded.
 */
final class GroupSpmm implements GemmEngine {
  /** Rows and elements of the batch that a block makes. */
  private record Tile(Launch launch, int rows, int batch, int threads, int sharedBytes) {
    int count(GemmCall call) {
      return Math.multiplyExact((call.n() + rows - 1) / rows, (call.m() + batch - 1) / batch);
    }
  }

  private final SparseOperands operands;
  private final UniformPattern pattern;
  private final DeviceWalk walk;
  private final int listRows;
  private final Launch pack;
  private final Tile large;
  private final Tile small;

  /**
   * @param walk by lists
   * @param listRows 8 or 16
   */
  GroupSpmm(SparseOperands operands, UniformPattern pattern, DeviceWalk walk, int listRows) {
    KernelQueue queue = operands.queue();
    this.operands = operands;
    this.pattern = pattern;
    this.walk = walk;
    this.listRows = listRows;
    this.pack = queue.kernel("group_pack_bf16_" + listRows);
    String name = "group_spmm_nt_bf16_" + listRows;
    this.large = new Tile(queue.kernel(name + "_256x128"), 256, 128, 512, 2 * 256 * 128 * 2);
    this.small = new Tile(queue.kernel(name + "_64x64"), 64, 64, 128, 2 * 256 * 64 * 2);
  }

  @Override
  public boolean fits(GemmCall call) {
    return call.isBf16() && call.isAlignedC();
  }

  @Override
  public void run(GemmCall call) {
    long xt = operands.transposed(call.a());
    long fragments = pack(call.b());
    KernelQueue queue = operands.queue();
    Tile tile = operands.fills(large.count(call)) ? large : small;
    tile.launch
        .grid(tile.count(call))
        .block(tile.threads)
        .shared(tile.sharedBytes)
        .arguments()
        .struct(call.struct())
        .address(xt)
        .int64(SparseOperands.stride(call.m()))
        .address(walk.starts())
        .address(walk.columns())
        .address(fragments)
        .int32(pattern.columns());
    queue.run(tile.launch);
  }

  /** Address of the fragments, two values a word. */
  private long pack(Tensor values) {
    long words = (long) walk.entries() * listRows / 2;
    long fragments = operands.packed(words * Integer.BYTES);
    operands.queue().overElements(pack, words);
    pack.arguments()
        .tensor(values)
        .address(walk.sources())
        .address(fragments)
        .int64(words)
        .int32(pattern.fanIn());
    operands.queue().run(pack);
    return fragments;
  }

  @Override
  public String description() {
    return "lists of " + listRows + " rows on tensor cores";
  }
}
