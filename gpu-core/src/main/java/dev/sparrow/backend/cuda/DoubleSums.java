package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.Tensor;
import java.nio.ByteBuffer;

/**
 * Sums in double over a whole tensor, in two stages and a fixed order ({@code nn/sums.cu}). The
 * number of partial sums depends on the tensor's size alone, so that every device gives the same
 * bits.
 */
final class DoubleSums {
  private static final int MOST_PARTIALS = 512;
  private static final int PER_PARTIAL = 16 * KernelQueue.THREADS;

  private final KernelQueue queue;
  private final Launch finish;
  private final Scratch partials;
  private double result;

  DoubleSums(KernelQueue queue) {
    this.queue = queue;
    this.finish = queue.kernel("sum_partials_f64");
    this.partials = queue.scratch("partial sums");
  }

  /**
   * The sum, once all that was queued before is done.
   *
   * @param kernel makes each block's share: (x, partials, n)
   */
  double sync(Launch kernel, Tensor x) {
    long n = x.size();
    if (n == 0) {
      return 0;
    }
    int count = (int) Math.min(MOST_PARTIALS, (n + PER_PARTIAL - 1) / PER_PARTIAL);
    long address = partials.bytes((count + 1L) * Double.BYTES);
    long sum = address + (long) count * Double.BYTES;
    kernel.grid(count).block(KernelQueue.THREADS);
    kernel.arguments().tensor(x).address(address).int64(n);
    queue.run(kernel);
    finish.grid(1).block(KernelQueue.THREADS);
    finish.arguments().address(address).int32(count).address(sum);
    queue.run(finish);
    queue.staging().downloadSync(sum, 1, Double.BYTES, this::take);
    return result;
  }

  private void take(ByteBuffer in, int first, int count) {
    result = in.getDouble();
  }
}
