package dev.sparrow.backend.cuda;

import dev.sparrow.backend.CudaSettings.SparseUse;
import dev.sparrow.backend.UniformPattern;
import java.util.Arrays;

/**
 * Who makes the products of one pattern, chosen once by its format and density: kernels of its own,
 * or null for the dense product of the whole matrix.
 *
 * <p>What a sparse product costs is what kernels/results measured on an H100 with a weight of 4096
 * x 4096 and a batch of 8192 at 75, 90 and 95% zeros, beside cuBLAS. Single rows and fours of rows,
 * on CUDA cores, and the gradient of the input are never faster than the dense product on tensor
 * cores; groups of 64 rows are, forward and for their values.
 *
 * @param forward takes calls of form NT
 * @param backwardInput takes calls of form NN
 * @param backwardWeight takes calls of form TN
 */
record SparseEngines(GemmEngine forward, GemmEngine backwardInput, GemmEngine backwardWeight) {
  /**
   * Time of a product in units of the dense one, a line through what was measured.
   *
   * @param fixed without any non-zero: transposed activations, results, padding
   * @param perDensity for each
   */
  private record Cost(double fixed, double perDensity) {
    static final Cost ROWS = new Cost(1.4, 46);
    static final Cost COLUMNS = new Cost(1.6, 46);
    static final Cost ROWS_WEIGHT = new Cost(2.2, 62);
    static final Cost FOURS = new Cost(1.0, 34);
    static final Cost FOURS_WEIGHT = new Cost(1.8, 62);
    static final Cost EIGHTS = new Cost(1.0, 6.3);
    static final Cost EIGHTS_INPUT = new Cost(3.4, 110);
    static final Cost EIGHTS_WEIGHT = new Cost(0.2, 18);
    static final Cost SIXTEENS = new Cost(0.9, 3.3);
    static final Cost SIXTEENS_INPUT = new Cost(1.9, 49);
    static final Cost SIXTEENS_WEIGHT = new Cost(0.3, 7.5);
    static final Cost GROUPS = new Cost(0.3, 3.6);
    static final Cost GROUPS_WGMMA = new Cost(0.35, 1.7);
    static final Cost GROUPS_INPUT = new Cost(1.1, 16);
    static final Cost GROUPS_INPUT_WGMMA = new Cost(1.3, 10);
    static final Cost GROUPS_WEIGHT = new Cost(0.35, 3.3);
  }

  /** Of a block: two stages of a tile, or the sums of one. Data centers' GPUs have it. */
  private static final int LEAST_SHARED_BYTES = 128 << 10;

  private static final int LARGE_GROUP = 64;

  /** What engines of one pattern share. */
  private record Making(
      SparseOperands operands, SparseUse use, UniformPattern pattern, PatternMemory memory) {
    boolean isFaster(Cost cost) {
      double density = (double) pattern.fanIn() / pattern.columns();
      return use == SparseUse.KERNELS || cost.fixed + cost.perDensity * density < 1;
    }

    boolean isOnWgmma() {
      return use != SparseUse.MMA
          && GroupGemm.hasWgmma(operands.queue(), pattern.groupRows())
          && GroupScatterWgmma.runsOn(operands.queue(), pattern.groupRows());
    }

    DeviceWalk upload(SparseWalk walk) {
      return DeviceWalk.upload(memory, walk);
    }
  }

  /**
   * @param memory takes what engines need to know of the pattern
   * @param indices address of the pattern's columns
   */
  static SparseEngines of(
      SparseOperands operands,
      SparseUse use,
      UniformPattern pattern,
      PatternMemory memory,
      long indices) {
    boolean fits = operands.queue().device().sharedBytesPerBlock() >= LEAST_SHARED_BYTES;
    if (use == SparseUse.DENSE || pattern.nonZeros() == 0 || !fits) {
      return new SparseEngines(null, null, null);
    }
    Making making = new Making(operands, use, pattern, memory);
    int groupRows = pattern.groupRows();
    if (groupRows % 8 != 0) {
      return rows(making, groupRows % 4 == 0);
    }
    return groupRows % LARGE_GROUP == 0
        ? largeGroups(making, indices)
        : groups(making, groupRows % 16 == 0 ? 16 : 8, indices);
  }

  /** Of single rows, or of fours that share their columns. */
  private static SparseEngines rows(Making m, boolean fours) {
    boolean forward = m.isFaster(fours ? Cost.FOURS : Cost.ROWS);
    boolean weight = m.isFaster(fours ? Cost.FOURS_WEIGHT : Cost.ROWS_WEIGHT);
    if (!forward && !weight) {
      return new SparseEngines(null, columns(m), null);
    }
    DeviceWalk rows =
        m.upload(fours ? SparseWalk.byFours(m.pattern) : SparseWalk.byRows(m.pattern));
    PlainSpmm product =
        fours
            ? PlainSpmm.byFours(m.operands, m.pattern, rows)
            : PlainSpmm.byRows(m.operands, m.pattern, rows);
    return new SparseEngines(
        forward ? product : null,
        columns(m),
        weight ? new PlainSddmm(m.operands, m.pattern, rows, fours ? 4 : 1) : null);
  }

  private static GemmEngine columns(Making m) {
    if (!m.isFaster(Cost.COLUMNS)) {
      return null;
    }
    DeviceWalk columns = m.upload(SparseWalk.byColumns(m.pattern));
    return PlainSpmm.byColumns(m.operands, m.pattern, columns);
  }

  private static SparseEngines groups(Making m, int listRows, long indices) {
    boolean sixteen = listRows == 16;
    boolean forward = m.isFaster(sixteen ? Cost.SIXTEENS : Cost.EIGHTS);
    boolean scatters = m.isFaster(sixteen ? Cost.SIXTEENS_INPUT : Cost.EIGHTS_INPUT);
    boolean gathers = m.isFaster(sixteen ? Cost.SIXTEENS_WEIGHT : Cost.EIGHTS_WEIGHT);
    DeviceWalk lists =
        forward || scatters ? m.upload(SparseWalk.byLists(m.pattern, listRows)) : null;
    return new SparseEngines(
        forward ? new GroupSpmm(m.operands, m.pattern, lists, listRows) : null,
        scatters ? new GroupScatter(m.operands, m.pattern, lists, listRows) : null,
        gathers ? GroupGemm.weightGradient(m.operands, m.pattern, indices, liveOf(m)) : null);
  }

  private static SparseEngines largeGroups(Making m, long indices) {
    boolean wgmma = m.isOnWgmma();
    boolean forward = m.isFaster(wgmma ? Cost.GROUPS_WGMMA : Cost.GROUPS);
    boolean scatters = m.isFaster(wgmma ? Cost.GROUPS_INPUT_WGMMA : Cost.GROUPS_INPUT);
    boolean gathers = m.isFaster(Cost.GROUPS_WEIGHT);
    long liveOf = forward || gathers ? liveOf(m) : 0;
    return new SparseEngines(
        forward ? groupForward(m, wgmma, indices, liveOf) : null,
        scatters ? scatter(m) : null,
        gathers ? GroupGemm.weightGradient(m.operands, m.pattern, indices, liveOf) : null);
  }

  private static GemmEngine groupForward(Making m, boolean wgmma, long indices, long liveOf) {
    return wgmma
        ? GroupGemm.wgmmaForward(m.operands, m.pattern, indices, liveOf)
        : GroupGemm.forward(m.operands, m.pattern, indices, liveOf);
  }

  private static GemmEngine scatter(Making m) {
    if (m.isOnWgmma()) {
      DeviceWalk lists = m.upload(SparseWalk.byWideLists(m.pattern));
      return new GroupScatterWgmma(m.operands, m.pattern, lists);
    }
    DeviceWalk lists = m.upload(SparseWalk.byLists(m.pattern, LARGE_GROUP));
    return new GroupScatter(m.operands, m.pattern, lists, LARGE_GROUP);
  }

  /** Address of the live group that each group is, or -1. */
  private static long liveOf(Making m) {
    int[] liveOf = new int[m.pattern.rows() / m.pattern.groupRows()];
    Arrays.fill(liveOf, -1);
    int[] numbers = m.pattern.liveGroupNumbers();
    for (int live = 0; live < numbers.length; live++) {
      liveOf[numbers[live]] = live;
    }
    return m.memory.upload("live groups", liveOf);
  }
}
