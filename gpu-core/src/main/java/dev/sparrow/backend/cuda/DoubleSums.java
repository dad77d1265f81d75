package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.nio.ByteBuffer;

/**
 * Sums in double over a whole tensor, in two stages and a fixed order ({@code nn/sums.cu}). The
 * number of partial sums depends on the tensor's size alone, so that every device gives the same
 * bits. A kernel that makes the blocks' shares takes (x, partials, n).
 */
final class DoubleSums {
  private static final int MOST_PARTIALS = 512;
  private static final int PER_PARTIAL = 16 * KernelQueue.THREADS;

  private final KernelQueue queue;
  private final Launch assign;
  private final Launch accumulate;
  private final Scratch scratch;
  private double result;

  DoubleSums(KernelQueue queue) {
    this.queue = queue;
    this.assign = queue.kernel("sum_partials_f64");
    this.accumulate = queue.kernel("accumulate_sum_f64");
    this.scratch = queue.scratch("partial sums");
  }

  /**
   * Queues {@code total = Σ}, or {@code +=} with accumulate.
   *
   * @param kernel makes each block's share
   * @param total F64 (1)
   */
  void add(String what, Launch kernel, Tensor x, boolean adds, Tensor total) {
    Doors.requireVector(what + ": total", total, 1, DType.F64);
    long address = DeviceStorage.address(total);
    if (x.size() > 0) {
      run(kernel, x, partials(x), adds ? accumulate : assign, address);
    } else if (!adds) {
      queue.stream().zero(address, Double.BYTES);
    }
  }

  /**
   * The sum, once all that was queued before is done.
   *
   * @param kernel makes each block's share
   */
  double sync(Launch kernel, Tensor x) {
    if (x.size() == 0) {
      return 0;
    }
    long partials = partials(x);
    long sum = partials + (long) count(x) * Double.BYTES;
    run(kernel, x, partials, assign, sum);
    queue.staging().downloadSync(sum, 1, Double.BYTES, this::take);
    return result;
  }

  private void run(Launch kernel, Tensor x, long partials, Launch finish, long sum) {
    kernel.grid(count(x)).block(KernelQueue.THREADS);
    kernel.arguments().tensor(x).address(partials).int64(x.size());
    queue.run(kernel);
    finish.grid(1).block(KernelQueue.THREADS);
    finish.arguments().address(partials).int32(count(x)).address(sum);
    queue.run(finish);
  }

  private static int count(Tensor x) {
    return (int) Math.min(MOST_PARTIALS, (x.size() + PER_PARTIAL - 1) / PER_PARTIAL);
  }

  /** Room for the blocks' shares and, behind them, a sum. */
  private long partials(Tensor x) {
    return scratch.bytes((count(x) + 1L) * Double.BYTES);
  }

  private void take(ByteBuffer in, int first, int count) {
    result = in.getDouble();
  }
}
