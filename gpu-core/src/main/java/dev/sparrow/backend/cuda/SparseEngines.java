package dev.sparrow.backend.cuda;

import dev.sparrow.backend.CudaSettings.SparseUse;
import dev.sparrow.backend.UniformPattern;
import java.util.Arrays;

/**
 * Who makes the products of one pattern, chosen once by its format and density: kernels of its own,
 * or null for the dense product of the whole matrix.
 *
 * <p>The rates are computed, TFLOP/s on an H100 as the kernels' headers derive them; none has been
 * measured. A sparse product wins where its rate is above the dense one times the density.
 *
 * @param forward takes calls of form NT
 * @param backwardInput takes calls of form NN
 * @param backwardWeight takes calls of form TN
 */
record SparseEngines(GemmEngine forward, GemmEngine backwardInput, GemmEngine backwardWeight) {
  private static final double DENSE_RATE = 600;

  /** Of a block: two stages of a tile, or the sums of one. Data centers' GPUs have it. */
  private static final int LEAST_SHARED_BYTES = 128 << 10;

  private static final int LARGE_GROUP = 64;

  /** What engines of one pattern share. */
  private record Making(
      SparseOperands operands, SparseUse use, UniformPattern pattern, PatternMemory memory) {
    boolean isFaster(double rate) {
      double density = (double) pattern.fanIn() / pattern.columns();
      return use == SparseUse.KERNELS || rate > DENSE_RATE * density;
    }

    boolean isOnWgmma() {
      return use == SparseUse.WGMMA
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
      return groupRows % 4 == 0 ? fours(making) : rows(making);
    }
    return groupRows % LARGE_GROUP == 0
        ? largeGroups(making, indices)
        : groups(making, groupRows % 16 == 0 ? 16 : 8, indices);
  }

  private static SparseEngines rows(Making m) {
    if (!m.isFaster(24)) {
      return new SparseEngines(null, null, null);
    }
    DeviceWalk rows = m.upload(SparseWalk.byRows(m.pattern));
    return new SparseEngines(
        PlainSpmm.byRows(m.operands, m.pattern, rows),
        columns(m),
        new PlainSddmm(m.operands, m.pattern, rows, 1));
  }

  private static SparseEngines fours(Making m) {
    if (!m.isFaster(38)) {
      return new SparseEngines(null, null, null);
    }
    DeviceWalk fours = m.upload(SparseWalk.byFours(m.pattern));
    return new SparseEngines(
        PlainSpmm.byFours(m.operands, m.pattern, fours),
        m.isFaster(24) ? columns(m) : null,
        new PlainSddmm(m.operands, m.pattern, fours, 4));
  }

  private static GemmEngine columns(Making m) {
    DeviceWalk columns = m.upload(SparseWalk.byColumns(m.pattern));
    return PlainSpmm.byColumns(m.operands, m.pattern, columns);
  }

  private static SparseEngines groups(Making m, int listRows, long indices) {
    if (!m.isFaster(119)) {
      return new SparseEngines(null, null, null);
    }
    DeviceWalk lists = m.upload(SparseWalk.byLists(m.pattern, listRows));
    boolean scatters = m.isFaster(listRows == 16 ? 95 : 47);
    boolean gathers = m.isFaster(listRows == 16 ? 83 : 43);
    return new SparseEngines(
        new GroupSpmm(m.operands, m.pattern, lists, listRows),
        scatters ? new GroupScatter(m.operands, m.pattern, lists, listRows) : null,
        gathers ? GroupGemm.weightGradient(m.operands, m.pattern, indices, liveOf(m)) : null);
  }

  private static SparseEngines largeGroups(Making m, long indices) {
    if (!m.isFaster(284)) {
      return new SparseEngines(null, null, null);
    }
    long liveOf = liveOf(m);
    return new SparseEngines(
        m.isOnWgmma()
            ? GroupGemm.wgmmaForward(m.operands, m.pattern, indices, liveOf)
            : GroupGemm.forward(m.operands, m.pattern, indices, liveOf),
        m.isFaster(m.isOnWgmma() ? 163 : 119) ? scatter(m) : null,
        GroupGemm.weightGradient(m.operands, m.pattern, indices, liveOf));
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
