package dev.sparrow.backend.cuda;

import dev.sparrow.backend.UniformPattern;
import dev.sparrow.backend.cuda.GemmCall.Form;
import dev.sparrow.tensor.Tensor;

/**
 * Launches of {@code sparse/plain_spmm.cu} for one pattern: forward by its rows, or fours of rows
 * that share their columns, and the gradient of the input by its columns; CUDA cores.
 */
final class PlainSpmm implements GemmEngine {
  /** Rows of the walked matrix and elements of the batch that a block makes. */
  private record Tile(Launch launch, int rows, int batch, int threads, int sharedBytes) {
    int count(GemmCall call) {
      return Math.multiplyExact((call.n() + rows - 1) / rows, (call.m() + batch - 1) / batch);
    }
  }

  /** {@code MOST_AHEAD} of {@code sparse/sliced.cuh}. */
  private static final long STEPS_BEHIND = 16;

  private final SparseOperands operands;
  private final DeviceWalk walk;
  private final int sharedRows;
  private final int walkedColumns;
  private final int fanIn;
  private final Launch pack;
  private final Tile large;
  private final Tile small;

  private PlainSpmm(
      SparseOperands operands, UniformPattern pattern, DeviceWalk walk, Form form, int sharedRows) {
    KernelQueue queue = operands.queue();
    this.operands = operands;
    this.walk = walk;
    this.sharedRows = sharedRows;
    this.walkedColumns = form == Form.NT ? pattern.columns() : pattern.rows();
    this.fanIn = pattern.fanIn();
    String stem = sharedRows == 1 ? "plain" : "shared";
    this.pack = queue.kernel(stem + "_pack_bf16");
    String name = stem + "_spmm_" + form.entry() + "_bf16_";
    this.large = new Tile(queue.kernel(name + "256x128"), 256, 128, 512, 2 * 256 * 128 * 2);
    int rows = 32 * sharedRows;
    this.small = new Tile(queue.kernel(name + rows + "x64"), rows, 64, 256, 2 * 256 * 64 * 2);
  }

  /** Forward. */
  static PlainSpmm byRows(SparseOperands operands, UniformPattern pattern, DeviceWalk rows) {
    return new PlainSpmm(operands, pattern, rows, Form.NT, 1);
  }

  /** Forward of rows that share their columns by fours at least. */
  static PlainSpmm byFours(SparseOperands operands, UniformPattern pattern, DeviceWalk fours) {
    return new PlainSpmm(operands, pattern, fours, Form.NT, 4);
  }

  /** The gradient of the input. */
  static PlainSpmm byColumns(SparseOperands operands, UniformPattern pattern, DeviceWalk columns) {
    return new PlainSpmm(operands, pattern, columns, Form.NN, 1);
  }

  @Override
  public boolean fits(GemmCall call) {
    return call.isBf16() && call.isAlignedC();
  }

  @Override
  public void run(GemmCall call) {
    long xt = operands.transposed(call.a());
    long entries = pack(call.b());
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
        .address(entries)
        .int32(walkedColumns);
    queue.run(tile.launch);
  }

  /**
   * Address of the entries: steps of four times 16 bytes, of which some behind the last are read.
   */
  private long pack(Tensor values) {
    long entries = operands.packed((walk.steps() + STEPS_BEHIND) * 4 * 16);
    operands.queue().overElements(pack, walk.entries());
    ArgumentBlock arguments =
        pack.arguments()
            .tensor(values)
            .address(walk.columns())
            .address(walk.sources())
            .address(entries)
            .int64(walk.entries());
    if (sharedRows > 1) {
      arguments.int32(fanIn);
    }
    operands.queue().run(pack);
    return entries;
  }

  @Override
  public String description() {
    return sharedRows == 1 ? "rows on CUDA cores" : "fours of rows on CUDA cores";
  }
}
