package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.Tensor;

/** Stable counting sort of assignments by expert ({@code moe/sort.cu}), in three launches. */
final class AssignmentSort {
  private static final int LEAST_PER_BLOCK = 1024;
  private static final int WARPS = KernelQueue.THREADS / 32;

  private final KernelQueue queue;
  private final Launch histogram;
  private final Launch scan;
  private final Launch scatter;
  private final Scratch starts;

  AssignmentSort(KernelQueue queue) {
    this.queue = queue;
    this.histogram = queue.kernel("moe_sort_histogram_i32");
    this.scan = queue.kernel("moe_sort_scan_i32");
    this.scatter = queue.kernel("moe_sort_scatter_i32");
    this.starts = queue.scratch("sort of assignments");
  }

  /**
   * @param experts I32 (P), -1 for a dropped assignment
   * @param offsets I32 (E + 1)
   * @param tokenOf I32 (P)
   * @param rowOf I32 (T, k)
   */
  void sort(Tensor experts, Tensor offsets, Tensor tokenOf, Tensor rowOf) {
    long assignments = experts.size();
    int expertCount = (int) offsets.size() - 1;
    int perBlock = perBlock(assignments);
    int blocks = (int) Math.max(1, (assignments + perBlock - 1) / perBlock);
    long address = starts.bytes((long) blocks * (expertCount + 1) * Integer.BYTES);
    int binBytes = (expertCount + 1) * Integer.BYTES;
    histogram.grid(blocks).block(KernelQueue.THREADS).shared(binBytes);
    histogram
        .arguments()
        .tensor(experts)
        .address(address)
        .int64(assignments)
        .int32(expertCount)
        .int32(perBlock);
    queue.run(histogram);
    scan.grid(1).block(KernelQueue.THREADS);
    scan.arguments().address(address).tensor(offsets).int32(expertCount).int32(blocks);
    queue.run(scan);
    scatter.grid(blocks).block(KernelQueue.THREADS).shared(WARPS * binBytes);
    scatter
        .arguments()
        .tensor(experts)
        .address(address)
        .tensor(tokenOf)
        .tensor(rowOf)
        .int64(assignments)
        .int32(expertCount)
        .int32(rowOf.columns())
        .int32(perBlock);
    queue.run(scatter);
  }

  /** A multiple of the block, so that two blocks a multiprocessor share the work. */
  private int perBlock(long assignments) {
    int blocks = 2 * queue.device().multiprocessors();
    long share = Math.max(LEAST_PER_BLOCK, (assignments + blocks - 1) / blocks);
    return Math.toIntExact((share + KernelQueue.THREADS - 1) / KernelQueue.THREADS)
        * KernelQueue.THREADS;
  }
}
