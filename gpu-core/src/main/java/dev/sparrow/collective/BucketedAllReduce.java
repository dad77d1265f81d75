package dev.sparrow.collective;

import dev.sparrow.tensor.Tensor;
import java.util.Arrays;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Sums gradients over the ranks while backward still computes: one thread reduces the arena's
 * buckets from the last to the first, each as soon as backward has passed its start. Every rank
 * must use the same buckets. Reusable step after step; allocates nothing in a step.
 *
 * <p>From the first {@link #ready} of a step to its {@link #await} the collective belongs to this
 * object's thread; otherwise to the caller. With a single rank there is no thread and nothing to
 * do. Does not own the collective.
 */
public final class BucketedAllReduce implements AutoCloseable {
  private final Collective collective;
  private final long[] starts;
  private final Tensor[] buckets;
  private final Thread thread;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();

  // Guarded by lock.
  private long readyFrom;
  private int remaining;
  private Throwable failure;
  private boolean closed;
  private long waitedNanos;

  /**
   * @param gradients the gradient arena
   * @param starts first element of each bucket, ascending from 0; a bucket ends where the next one
   *     starts and holds at most 2^31 - 1 elements
   */
  public BucketedAllReduce(Collective collective, Tensor gradients, long[] starts) {
    this.collective = collective;
    this.starts = starts.clone();
    this.buckets = cut(gradients, this.starts);
    startStep();
    if (collective.size() == 1) {
      thread = null;
    } else {
      thread = new Thread(this::reduceBuckets, "sparrow-buckets-" + collective.rank());
      thread.setDaemon(true);
      thread.start();
    }
  }

  private static Tensor[] cut(Tensor gradients, long[] starts) {
    Tensor[] buckets = new Tensor[starts.length];
    for (int i = 0; i < starts.length; i++) {
      long end = i + 1 < starts.length ? starts[i + 1] : gradients.size();
      if (starts[0] != 0 || end < starts[i] || end - starts[i] > Integer.MAX_VALUE) {
        throw new IllegalArgumentException(
            "buckets: expected ascending starts from 0 inside "
                + gradients.size()
                + " elements, got "
                + Arrays.toString(starts));
      }
      buckets[i] = gradients.window(starts[i], (int) (end - starts[i]));
    }
    return buckets;
  }

  private void startStep() {
    readyFrom = Long.MAX_VALUE;
    remaining = buckets.length;
  }

  /**
   * All gradients at and past element {@code from} are complete and will not be touched before
   * {@link #await} returns. Within a step {@code from} only falls. Never blocks on the network; an
   * error is kept for {@link #await}. Called by the thread of the gradients' backend.
   */
  public void ready(long from) {
    collective.mark();
    lock.lock();
    try {
      if (from < readyFrom) {
        readyFrom = from;
        changed.signalAll();
      }
    } finally {
      lock.unlock();
    }
  }

  /**
   * Declares all gradients complete, waits until every bucket is summed and prepares the next step.
   *
   * @throws CollectiveException the first error of the collective, in this and every later step, or
   *     that this object was closed
   */
  public void await() {
    if (thread == null) {
      return;
    }
    ready(0);
    long start = System.nanoTime();
    lock.lock();
    try {
      while (remaining > 0 && failure == null && !closed) {
        changed.await();
      }
      throwFailure();
      startStep();
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new CollectiveException("interrupted while waiting for the gradients", interrupted);
    } finally {
      waitedNanos += System.nanoTime() - start;
      lock.unlock();
    }
  }

  private void throwFailure() {
    if (failure != null) {
      throw new CollectiveException("gradients: " + failure.getMessage(), failure);
    }
    if (closed) {
      throw new CollectiveException("gradients: the bucketed all-reduce is closed");
    }
  }

  /** Time that {@link #await} has waited since the object was made: what overlap did not hide. */
  public long waitedNanos() {
    lock.lock();
    try {
      return waitedNanos;
    } finally {
      lock.unlock();
    }
  }

  private void reduceBuckets() {
    try {
      for (int bucket = next(); bucket >= 0; bucket = next()) {
        collective.allReduce(buckets[bucket]);
        finished();
      }
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException | Error broken) {
      failed(broken);
    }
  }

  /** Waits for a bucket that may be reduced; -1 once closed. */
  private int next() throws InterruptedException {
    lock.lock();
    try {
      while (!closed && (remaining == 0 || starts[remaining - 1] < readyFrom)) {
        changed.await();
      }
      return closed ? -1 : remaining - 1;
    } finally {
      lock.unlock();
    }
  }

  private void finished() {
    lock.lock();
    try {
      remaining--;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void failed(Throwable why) {
    lock.lock();
    try {
      failure = why;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /**
   * Ends the thread; a reduction under way is interrupted, which breaks the collective. Idempotent,
   * from any thread; a thread in {@link #await} is released with an exception.
   */
  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
    if (thread == null) {
      return;
    }
    thread.interrupt();
    try {
      thread.join();
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
