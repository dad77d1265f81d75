package dev.sparrow.backend.cuda;

import dev.sparrow.backend.UniformPattern;

/**
 * Launches of {@code sparse/plain_sddmm.cu} for one pattern: the gradient of its values, row by row
 * or by fours of rows that share their columns; CUDA cores.
 */
final class PlainSddmm implements GemmEngine {
  private static final int THREADS = 512;
  private static final int WARPS = THREADS / 32;
  private static final int QUARTERS = 4;

  /** Two stages of a tile by 128 elements of the batch. */
  private static final int SHARED_BYTES = 2 * SparseWalk.TILE_COLUMNS * 128 * 2;

  private final SparseOperands operands;
  private final UniformPattern pattern;
  private final DeviceWalk walk;
  private final int sharedRows;
  private final Launch launch;

  /**
   * @param walk by rows, or by fours
   * @param sharedRows 1, or 4
   */
  PlainSddmm(SparseOperands operands, UniformPattern pattern, DeviceWalk walk, int sharedRows) {
    this.operands = operands;
    this.pattern = pattern;
    this.walk = walk;
    this.sharedRows = sharedRows;
    this.launch =
        operands.queue().kernel((sharedRows == 1 ? "plain" : "shared") + "_sddmm_bf16_f32");
  }

  @Override
  public boolean fits(GemmCall call) {
    return call.isBf16();
  }

  @Override
  public void run(GemmCall call) {
    long dyt = operands.transposedGradient(call.a());
    long xt = operands.transposed(call.b());
    int tiles = (pattern.columns() + SparseWalk.TILE_COLUMNS - 1) / SparseWalk.TILE_COLUMNS;
    int slices = (pattern.rows() / sharedRows + QUARTERS - 1) / QUARTERS;
    int perBlock = slicesPerBlock(slices, tiles);
    launch
        .grid(tiles, (slices + perBlock - 1) / perBlock, 1)
        .block(THREADS)
        .shared(SHARED_BYTES)
        .arguments()
        .address(xt)
        .address(dyt)
        .int64(SparseOperands.stride(call.k()))
        .address(walk.starts())
        .address(walk.columns())
        .address(walk.sources())
        .tensor(call.c())
        .int32(pattern.rows())
        .int32(pattern.columns())
        .int32(pattern.fanIn())
        .int32(perBlock);
    operands.queue().run(launch);
  }

  /** As many, a warp's each, as leave a block for each multiprocessor: x is then read least. */
  private int slicesPerBlock(int slices, int tiles) {
    long blocks = operands.queue().device().multiprocessors();
    long perBlock = ((long) slices * tiles + blocks - 1) / blocks;
    return (int) Math.max(WARPS, (perBlock + WARPS - 1) / WARPS * WARPS);
  }

  @Override
  public String description() {
    return sharedRows == 1 ? "rows on CUDA cores" : "fours of rows on CUDA cores";
  }
}
