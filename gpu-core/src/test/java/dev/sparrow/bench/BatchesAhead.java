package dev.sparrow.bench;

import dev.sparrow.data.Batch;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.BatchSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.function.Supplier;

/**
 * Batches of equal sources, each of which fills on a thread of its own ahead of the batch in use:
 * of n sources, number i makes the global batches i, i + n and so on. The order is that of one
 * source alone.
 */
final class BatchesAhead implements BatchSource {
  /** What a thread hands over: a batch, or why there is none. */
  private record Slot(Batch batch, RuntimeException failure) {}

  private final BatchPlan plan;
  private final List<BatchSource> sources = new ArrayList<>();
  private final List<Lane> lanes = new ArrayList<>(); // of the sources; empty while none fills
  private long start;
  private long taken; // micro-batches since the start
  private Lane lent; // whose batch is in use; null: nobody's

  /**
   * @param source makes one; closed with this
   */
  BatchesAhead(BatchPlan plan, int threads, Supplier<BatchSource> source) {
    this.plan = plan;
    for (int i = 0; i < threads; i++) {
      sources.add(source.get());
    }
  }

  /** A source and the thread that fills from it, one batch at a time. */
  private final class Lane extends Thread {
    private final BatchSource source;
    private final long first;
    private final BlockingQueue<Slot> filled = new ArrayBlockingQueue<>(1);
    private final Semaphore free = new Semaphore(1);

    Lane(int number) {
      super("sparrow-batches-" + number);
      this.source = sources.get(number);
      this.first = start + (long) number * plan.globalBatch();
      setDaemon(true);
    }

    @Override
    public void run() {
      try {
        for (long position = first; ; position += (long) sources.size() * plan.globalBatch()) {
          source.restore(position);
          for (int i = 0; i < plan.accumulation(); i++) {
            free.acquire();
            filled.put(new Slot(source.next(), null));
          }
        }
      } catch (InterruptedException closed) {
        Thread.currentThread().interrupt();
      } catch (RuntimeException e) {
        filled.add(new Slot(null, e));
      }
    }

    Batch take() {
      try {
        Slot slot = filled.take();
        if (slot.failure() != null) {
          throw slot.failure();
        }
        return slot.batch();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted while waiting for a batch", e);
      }
    }
  }

  @Override
  public Batch next() {
    if (lanes.isEmpty()) {
      for (int i = 0; i < sources.size(); i++) {
        lanes.add(new Lane(i));
      }
      lanes.forEach(Thread::start);
    }
    if (lent != null) {
      lent.free.release();
    }
    lent = lanes.get((int) (taken / plan.accumulation() % lanes.size()));
    taken++;
    return lent.take();
  }

  @Override
  public long samplesPerEpoch() {
    return sources.get(0).samplesPerEpoch();
  }

  @Override
  public long position() {
    return start + taken / plan.accumulation() * plan.globalBatch();
  }

  @Override
  public void restore(long position) {
    stop();
    sources.get(0).restore(position); // refuses what is none
    start = position;
    taken = 0;
  }

  private void stop() {
    lanes.forEach(Thread::interrupt);
    boolean interrupted = false;
    for (Lane lane : lanes) {
      while (lane.isAlive()) {
        try {
          lane.join();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    lanes.clear();
    lent = null;
  }

  @Override
  public void close() {
    stop();
    sources.forEach(BatchSource::close);
  }
}
