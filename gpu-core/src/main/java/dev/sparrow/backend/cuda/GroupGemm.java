package dev.sparrow.backend.cuda;

import dev.sparrow.backend.UniformPattern;
import dev.sparrow.backend.cuda.GemmCall.Form;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.util.List;

/**
 * Launches of {@code sparse/group_gemm.cu} for one pattern: a dense product of each group with the
 * columns that it gathers, forward (NT) or for its values (TN); mma.sync, or forward {@code
 * sparse/group_wgmma.cu}, wgmma.
 */
final class GroupGemm implements GemmEngine {
  private static final int ALIGNMENT_BYTES = 16;
  private static final String WGMMA = "group_wgmma_nt_bf16_";

  /**
   * Rows and columns of C that a block makes, of NT elements of the batch by rows of the group, of
   * TN rows of the group by its columns.
   *
   * @param family what the names of its like begin with
   * @param blocks that a multiprocessor holds
   */
  private record Tile(
      String family,
      Launch launch,
      int rows,
      int columns,
      int threads,
      int sharedBytes,
      int blocks) {
    /** With a ring of stages of 32 steps of the depth. */
    static Tile of(
        KernelQueue queue, String family, int rows, int columns, int threads, int stages) {
      int stageBytes = (rows + columns) * 32 * DType.BF16.bytes();
      Launch launch = queue.kernel(family + rows + "x" + columns);
      return new Tile(family, launch, rows, columns, threads, stages * stageBytes, 2);
    }

    Tile alone() {
      return new Tile(family, launch, rows, columns, threads, sharedBytes, 1);
    }

    private static int over(int size, int edge) {
      return (size + edge - 1) / edge;
    }

    long count(GemmCall call, UniformPattern pattern) {
      long groups = pattern.rows() / pattern.groupRows();
      return call.form() == Form.NT
          ? groups * over(pattern.groupRows(), columns) * over(call.m(), rows)
          : groups * over(pattern.groupRows(), rows) * over(call.n(), columns);
    }
  }

  private final SparseOperands operands;
  private final UniformPattern pattern;
  private final Form form;
  private final long indices;
  private final long liveOf;
  private final Launch pad;

  /** The largest first. */
  private final List<Tile> tiles;

  /**
   * @param indices address of the pattern's columns
   * @param liveOf address of the live group that each group is, or -1
   */
  private GroupGemm(
      SparseOperands operands,
      UniformPattern pattern,
      Form form,
      long indices,
      long liveOf,
      List<Tile> tiles) {
    this.operands = operands;
    this.pattern = pattern;
    this.form = form;
    this.indices = indices;
    this.liveOf = liveOf;
    this.pad = operands.queue().kernel("pad_rows_bf16");
    this.tiles = tiles;
  }

  static GroupGemm forward(
      SparseOperands operands, UniformPattern pattern, long indices, long liveOf) {
    List<Tile> tiles = List.of(forwardTile(operands, 256), forwardTile(operands, 64));
    return new GroupGemm(operands, pattern, Form.NT, indices, liveOf, tiles);
  }

  private static Tile forwardTile(SparseOperands operands, int rows) {
    return Tile.of(operands.queue(), "group_gemm_nt_bf16_", rows, 64, rows == 64 ? 128 : 256, 4);
  }

  /** Whether the device multiplies groups of so many rows by wgmma. */
  static boolean hasWgmma(KernelQueue queue, int groupRows) {
    return groupRows % 64 == 0 && queue.hasKernel(WGMMA + "512x64");
  }

  /** On wgmma but for batches that do not fill the device with its tiles. */
  static GroupGemm wgmmaForward(
      SparseOperands operands, UniformPattern pattern, long indices, long liveOf) {
    KernelQueue queue = operands.queue();
    List<Tile> tiles =
        List.of(
            Tile.of(queue, WGMMA, 512, 64, 256, 6).alone(),
            Tile.of(queue, WGMMA, 256, 64, 128, 5),
            forwardTile(operands, 64));
    return new GroupGemm(operands, pattern, Form.NT, indices, liveOf, tiles);
  }

  static GroupGemm weightGradient(
      SparseOperands operands, UniformPattern pattern, long indices, long liveOf) {
    int rows = pattern.groupRows() >= 64 ? 64 : 16;
    List<Tile> tiles = List.of(Tile.of(operands.queue(), "group_gemm_tn_f32_", rows, 256, 256, 4));
    return new GroupGemm(operands, pattern, Form.TN, indices, liveOf, tiles);
  }

  @Override
  public boolean fits(GemmCall call) {
    return call.isBf16() && call.isAlignedC() && (form == Form.NT || isAligned(call.a()));
  }

  private static boolean isAligned(Tensor tensor) {
    return DeviceStorage.address(tensor) % ALIGNMENT_BYTES == 0;
  }

  @Override
  public void run(GemmCall call) {
    if (form == Form.NT) {
      call.readA(operands.transposed(call.a()), SparseOperands.stride(call.m()));
      call.readB(alignedValues(call.b()), SparseOperands.padded(pattern.fanIn()));
    } else {
      call.readA(DeviceStorage.address(call.a()), pattern.rows());
      call.readB(operands.transposed(call.b()), SparseOperands.stride(call.k()));
    }
    Tile tile = tileFor(call);
    long most = (long) tile.blocks * operands.queue().device().multiprocessors();
    tile.launch
        .grid((int) Math.min(most, tile.count(call, pattern)))
        .block(tile.threads)
        .shared(tile.sharedBytes)
        .arguments()
        .struct(call.struct())
        .address(indices)
        .address(liveOf)
        .int32(pattern.groupRows())
        .int32(pattern.rows() / pattern.groupRows());
    operands.queue().run(tile.launch);
  }

  /** The largest tile that fills the device, or else the smallest. */
  private Tile tileFor(GemmCall call) {
    int multiprocessors = operands.queue().device().multiprocessors();
    return tiles.stream()
        .filter(tile -> tile.count(call, pattern) >= multiprocessors)
        .findFirst()
        .orElse(tiles.get(tiles.size() - 1));
  }

  /** The values in rows of whole 16 bytes, themselves where they are. */
  private long alignedValues(Tensor values) {
    int stride = SparseOperands.padded(pattern.fanIn());
    if (stride == pattern.fanIn() && isAligned(values)) {
      return DeviceStorage.address(values);
    }
    long elements = (long) pattern.liveRows() * stride;
    long padded = operands.packed(elements * DType.BF16.bytes());
    operands.queue().overElements(pad, elements);
    pad.arguments()
        .tensor(values)
        .address(padded)
        .int64(pattern.liveRows())
        .int32(pattern.fanIn())
        .int32(stride);
    operands.queue().run(pad);
    return padded;
  }

  @Override
  public String description() {
    boolean wgmma = tiles.get(0).family.equals(WGMMA);
    return "groups of " + pattern.groupRows() + " rows on " + (wgmma ? "wgmma" : "tensor cores");
  }
}
