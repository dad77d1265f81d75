package dev.sparrow.spark.shard;

import dev.sparrow.data.Batch;
import dev.sparrow.spark.data.DataException;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;

/**
 * A thread that fills batches ahead of the one in use; the given ones go round. One that comes back
 * is filled again once a device has read it. A failure of the thread, and the end of the data,
 * arrive at the consumer in their turn, after the batches filled before. One thread consumes.
 */
final class PrefetchRing<B extends Batch> implements AutoCloseable {
  /** Fills batches one after the other. */
  interface Filler<B extends Batch> {
    /**
     * @param index how many calls came before
     * @return false when there is no more
     */
    boolean fill(B batch, long index) throws IOException;
  }

  /** What the thread hands over: a batch, or why there is none. */
  private record Slot<B extends Batch>(B batch, Exception failure) {}

  private final Filler<B> filler;
  private final BlockingQueue<B> free;
  private final BlockingQueue<Slot<B>> filled;
  private final Thread thread;
  private B lent;
  private Slot<B> last;

  /**
   * @param batches at least two, which the ring uses until it is closed
   */
  PrefetchRing(String name, List<B> batches, Filler<B> filler) {
    this.filler = filler;
    this.free = new ArrayBlockingQueue<>(batches.size(), false, batches);
    this.filled = new ArrayBlockingQueue<>(batches.size() + 1);
    this.thread = new Thread(this::fillAll, name);
    thread.setDaemon(true);
    thread.start();
  }

  private void fillAll() {
    try {
      for (long index = 0; ; index++) {
        B batch = free.take();
        batch.awaitTakenSync(); // here, where nobody waits but who fills
        if (!filler.fill(batch, index)) {
          filled.add(new Slot<>(null, null));
          return;
        }
        filled.add(new Slot<>(batch, null));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (IOException | RuntimeException e) {
      filled.add(new Slot<>(null, e));
    }
  }

  /**
   * The next batch, valid until the next call; null at the end of the data.
   *
   * @throws DataException what went wrong in the thread, again at every further call
   */
  B next() {
    if (lent != null) {
      free.add(lent);
      lent = null;
    }
    if (last == null) {
      Slot<B> slot = take();
      if (slot.batch() != null) {
        lent = slot.batch();
        return lent;
      }
      last = slot;
    }
    if (last.failure() != null) {
      throw DataException.of("reading shards", last.failure());
    }
    return null;
  }

  private Slot<B> take() {
    try {
      return filled.take();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while waiting for a batch", e);
    }
  }

  /** Ends the thread and waits for it. */
  @Override
  public void close() {
    thread.interrupt();
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
