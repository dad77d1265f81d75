package dev.sparrow.backend.cuda;

import dev.sparrow.backend.cuda.GemmCall.Form;
import java.nio.ByteBuffer;

/**
 * Dense TN products cut into parts of their depth: a weight's gradient is small and its depth, the
 * tokens, long, so that a tile each would leave most of a device idle. The parts' results are
 * summed in order.
 */
final class DepthParts {
  /** Depth below which a part of a product is not worth a block of its own. */
  private static final int LEAST_DEPTH = 512;

  private final KernelQueue queue;
  private final PartialSums sums;
  private final Scratch results;

  DepthParts(KernelQueue queue, PartialSums sums) {
    this.queue = queue;
    this.sums = sums;
    this.results = queue.scratch("parts of products");
  }

  /**
   * How many parts fill the device; 1 where the product is not to be cut.
   *
   * @param tiles of C
   * @param blocks that the device runs at once
   */
  int count(GemmCall call, long tiles, long blocks) {
    if (call.form() != Form.TN || call.isGrouped() || !call.accumulates()) {
      return 1;
    }
    return (int) Math.max(1, Math.min(blocks / tiles, call.k() / LEAST_DEPTH));
  }

  /**
   * Runs the product in one part or several.
   *
   * @param launch of a kernel that takes groups of a ragged depth, with grid, block and shared
   *     memory
   * @param count at least 1; above 1, {@code C +=} the sum of the parts
   */
  void run(Launch launch, GemmCall call, int count) {
    if (count == 1) {
      launch.arguments().struct(call.struct());
      queue.run(launch);
      return;
    }
    long size = call.c().size();
    long address = results.bytes(count * size * Float.BYTES);
    ByteBuffer struct = call.structInParts(address, count);
    launch.arguments().struct(struct);
    queue.run(launch);
    sums.add(address, count, size, call.c());
  }
}
