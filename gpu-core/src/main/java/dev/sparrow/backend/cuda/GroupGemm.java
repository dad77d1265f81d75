package dev.sparrow.backend.cuda;

import dev.sparrow.backend.UniformPattern;
import dev.sparrow.backend.cuda.GemmCall.Form;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/**
 * Launches of {@code sparse/group_gemm.cu} for one pattern: a dense product of each group with the
 * columns that it gathers, forward (NT) or for its values (TN); mma.sync.
 */
final class GroupGemm implements GemmEngine {
  private static final int BLOCKS_PER_MULTIPROCESSOR = 2;
  private static final int ALIGNMENT_BYTES = 16;

  /**
   * Rows and columns of C that a block makes, of NT elements of the batch by rows of the group, of
   * TN rows of the group by its columns.
   */
  private record Tile(Launch launch, int rows, int columns, int threads, int sharedBytes) {
    Tile(KernelQueue queue, String name, int rows, int columns, int threads) {
      this(
          queue.kernel(name + rows + "x" + columns),
          rows,
          columns,
          threads,
          4 * (rows + columns) * 32 * 2);
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
  private final Tile large;
  private final Tile small;

  /**
   * @param indices address of the pattern's columns
   * @param liveOf address of the live group that each group is, or -1
   */
  private GroupGemm(
      SparseOperands operands, UniformPattern pattern, Form form, long indices, long liveOf) {
    KernelQueue queue = operands.queue();
    this.operands = operands;
    this.pattern = pattern;
    this.form = form;
    this.indices = indices;
    this.liveOf = liveOf;
    this.pad = queue.kernel("pad_rows_bf16");
    if (form == Form.NT) {
      this.large = new Tile(queue, "group_gemm_nt_bf16_", 256, 64, 256);
      this.small = new Tile(queue, "group_gemm_nt_bf16_", 64, 64, 128);
    } else {
      int rows = pattern.groupRows() >= 64 ? 64 : 16;
      this.large = new Tile(queue, "group_gemm_tn_f32_", rows, 256, 256);
      this.small = large;
    }
  }

  static GroupGemm forward(
      SparseOperands operands, UniformPattern pattern, long indices, long liveOf) {
    return new GroupGemm(operands, pattern, Form.NT, indices, liveOf);
  }

  static GroupGemm weightGradient(
      SparseOperands operands, UniformPattern pattern, long indices, long liveOf) {
    return new GroupGemm(operands, pattern, Form.TN, indices, liveOf);
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
    int multiprocessors = operands.queue().device().multiprocessors();
    Tile tile = large.count(call, pattern) >= multiprocessors ? large : small;
    long most = (long) BLOCKS_PER_MULTIPROCESSOR * multiprocessors;
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
    return "groups of " + pattern.groupRows() + " rows on tensor cores";
  }
}
