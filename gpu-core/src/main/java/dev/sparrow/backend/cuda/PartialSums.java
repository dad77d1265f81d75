package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.Tensor;

/** The second stage of sums over rows: adds the blocks' shares in order ({@code nn/sums.cu}). */
final class PartialSums {
  private static final int ELEMENTS_PER_BLOCK = 32;

  private final KernelQueue queue;
  private final Launch add;

  PartialSums(KernelQueue queue) {
    this.queue = queue;
    this.add = queue.kernel("add_partials_f32");
  }

  /**
   * {@code to_i += Σ_b partials[b·stride + i]}.
   *
   * @param partials device address of fp32 values
   * @param to F32
   */
  void add(long partials, int blocks, long stride, Tensor to) {
    long n = to.size();
    int grid = Math.toIntExact((n + ELEMENTS_PER_BLOCK - 1) / ELEMENTS_PER_BLOCK);
    add.grid(grid).block(KernelQueue.THREADS);
    add.arguments().address(partials).tensor(to).int32(blocks).int64(stride).int64(n);
    queue.run(add);
  }
}
