package dev.sparrow.backend.cuda;

import dev.sparrow.backend.Draws;
import dev.sparrow.tensor.Shape;
import java.nio.ByteBuffer;

/**
 * The number of the run's first token in the batch at hand, in device memory, where kernels that
 * draw random numbers read it: a recorded step then replays with the next batch's draws.
 */
final class TokenOrigin implements AutoCloseable {
  private final KernelQueue queue;
  private final long address;
  private long value;
  private boolean known;

  TokenOrigin(KernelQueue queue) {
    this.queue = queue;
    this.address = queue.memory().allocate(Long.BYTES, "first token", Shape.of());
  }

  /** Queues the number's way to the device unless it is there. */
  void set(long firstToken) {
    if (known && value == firstToken) {
      return;
    }
    value = firstToken;
    known = true;
    queue.staging().upload(this::put, 1, Long.BYTES, address);
  }

  private void put(ByteBuffer out, int first, int count) {
    out.putLong(value);
  }

  /** Device address of the number, which is that of the draws from here on. */
  long of(Draws draws) {
    set(draws.firstToken());
    return address;
  }

  @Override
  public void close() {
    queue.memory().free(address);
  }
}
