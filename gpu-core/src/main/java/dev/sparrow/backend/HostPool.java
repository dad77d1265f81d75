package dev.sparrow.backend;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;

/**
 * A rank's own threads for parallel loops. The calling thread works too; with one thread a loop
 * runs inline. Tasks are handed out one by one, so unequal tasks balance; results must not depend
 * on who runs which, only on the task number.
 *
 * <p>Workers spin for a short while before they park: consecutive ops of a training step are
 * microseconds apart and waking a parked thread costs more than a small op. One thread at a time
 * may start a loop; loops do not nest. A loop allocates nothing.
 *
 * <p>A loop ends when its tasks are done, whether or not every worker has woken up: one that comes
 * late finds the next loop, or none. The number of the loop and of its tasks left are one word, so
 * that taking a task also proves that the loop is still the one whose body was read.
 */
public final class HostPool implements HostLoop, AutoCloseable {
  private static final long SPIN_NANOS = 100_000;

  private final Worker[] workers;

  /** The loop in the high half, the number of its tasks still to take in the low one. */
  private final AtomicLong ticket = new AtomicLong();

  private final AtomicInteger done = new AtomicInteger();
  private IntConsumer task;
  private int tasks;
  private volatile Throwable failure;
  private volatile boolean closed;

  /**
   * @param threads threads that work on a loop, the caller included
   */
  public HostPool(int threads) {
    if (threads < 1) {
      throw new IllegalArgumentException("threads: expected at least 1, got " + threads);
    }
    workers = new Worker[threads - 1];
    for (int i = 0; i < workers.length; i++) {
      workers[i] = new Worker(i + 1);
      workers[i].start();
    }
  }

  /** Threads that work on a loop, the caller included. */
  public int threads() {
    return workers.length + 1;
  }

  /**
   * Inside a task: the number in [0, threads) of the thread that runs it, to find its own scratch
   * memory by. No two tasks that run at the same time see the same number.
   */
  public int slot() {
    return Thread.currentThread() instanceof Worker worker && worker.pool() == this
        ? worker.slot
        : 0;
  }

  @Override
  public void forEach(int count, IntConsumer body) {
    if (count <= 1 || workers.length == 0) {
      for (int i = 0; i < count; i++) {
        body.accept(i);
      }
      return;
    }
    task = body;
    tasks = count;
    done.set(0);
    ticket.set((long) (loop(ticket.get()) + 1) << Integer.SIZE | count);
    for (Thread worker : workers) {
      LockSupport.unpark(worker);
    }
    drain();
    while (done.get() < count) {
      Thread.onSpinWait();
    }
    task = null;
    rethrow();
  }

  @Override
  public void ranges(int length, int grain, Range body) {
    int chunks = (int) (((long) length + grain - 1) / grain);
    if (chunks <= 1 || workers.length == 0) {
      if (length > 0) {
        for (int from = 0; from < length; from += grain) {
          body.run(from, Math.min(length, from + grain));
        }
      }
      return;
    }
    forEach(chunks, chunk -> body.run(chunk * grain, (int) Math.min(length, (chunk + 1L) * grain)));
  }

  private void work() {
    int seen = 0;
    while (!closed) {
      seen = awaitLoop(seen);
      drain();
    }
  }

  private int awaitLoop(int seen) {
    long spinUntil = System.nanoTime() + SPIN_NANOS;
    while (loop(ticket.get()) == seen && !closed) {
      if (System.nanoTime() < spinUntil) {
        Thread.onSpinWait();
      } else {
        LockSupport.park(this);
      }
    }
    return loop(ticket.get());
  }

  private static int loop(long ticket) {
    return (int) (ticket >>> Integer.SIZE);
  }

  /** Runs tasks of the current loop until none is left to take. */
  private void drain() {
    while (true) {
      long taken = ticket.get();
      int left = (int) taken;
      if (left == 0) {
        return;
      }
      IntConsumer body = task;
      int i = tasks - left;
      if (ticket.compareAndSet(taken, taken - 1)) {
        run(body, i);
      }
    }
  }

  /** After a failure the loop's other tasks are taken but not run. */
  private void run(IntConsumer body, int i) {
    try {
      if (failure == null) {
        body.accept(i);
      }
    } catch (Throwable e) {
      failure = e;
    } finally {
      done.incrementAndGet();
    }
  }

  private void rethrow() {
    Throwable e = failure;
    if (e == null) {
      return;
    }
    failure = null;
    if (e instanceof Error error) {
      throw error;
    }
    throw (RuntimeException) e;
  }

  @Override
  public void close() {
    closed = true;
    for (Thread worker : workers) {
      LockSupport.unpark(worker);
    }
  }

  private final class Worker extends Thread {
    private final int slot;

    Worker(int slot) {
      super("sparrow-host-" + slot);
      this.slot = slot;
      setDaemon(true);
    }

    HostPool pool() {
      return HostPool.this;
    }

    @Override
    public void run() {
      work();
    }
  }
}
