package dev.sparrow.backend.cuda;

import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import dev.sparrow.backend.DeviceGroupException;
import dev.sparrow.backend.Peers;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A rank's place among the ranks that NCCL joins, from its opening to its end.
 *
 * <p>Whatever waits for another rank waits here, by polling, and so ends by the limit, soon after a
 * peer is lost, by {@link #release}, by an interrupt or by what NCCL finds. The communicator is
 * then aborted, which also ends its kernels: nothing that waits for the GPU later waits for a rank
 * that is gone.
 *
 * <p>Used by one thread at a time, {@link #release} by any.
 */
final class NcclCommunicator implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(NcclCommunicator.class);

  /** How long to ask without a pause: about as long as a small sum takes. */
  private static final long EAGER_NANOS = 100_000;

  private static final long PAUSE_NANOS = 20_000;
  private static final long LEAVE_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** What a peer called before it left in good order is through by then. */
  private static final long LOST_NANOS = TimeUnit.SECONDS.toNanos(2);

  private final Nccl nccl;
  private final CudaContext context;
  private final Peers peers;
  private final long limitNanos;
  private final IntByReference state = new IntByReference();
  private Pointer handle;
  private volatile boolean released;

  private NcclCommunicator(Nccl nccl, CudaContext context, Peers peers) {
    this.nccl = nccl;
    this.context = context;
    this.peers = peers;
    this.limitNanos = TimeUnit.MILLISECONDS.toNanos(peers.inactivityMillis());
  }

  /**
   * Joins the other ranks on the calling thread's context, in half of the limit at most: those that
   * could not join at once wait as long as the limit to hear so.
   *
   * @param id of rank 0, see {@link Nccl#uniqueId}
   */
  static NcclCommunicator join(Nccl nccl, CudaContext context, byte[] id, Peers peers) {
    NcclCommunicator made = new NcclCommunicator(nccl, context, peers);
    String call = "ncclCommInitRankConfig";
    PointerByReference handle = new PointerByReference();
    int result = nccl.initRank(handle, peers.size(), id, peers.rank());
    made.handle = handle.getValue();
    made.guarded(
        () -> {
          made.check(call, result);
          made.await(call, () -> made.isReady(call), made.limitNanos / 2);
        });
    return made;
  }

  /** As NCCL takes it. */
  Pointer handle() {
    return handle;
  }

  /** Throws where no call can be made any more. */
  void requireUsable(String words) {
    if (handle == null || released) {
      throw broken(words, "the group failed before, or was closed");
    }
  }

  /**
   * Makes a call and waits until all of it is through. What fails breaks the communicator for good.
   *
   * @param words the call, for messages
   * @param call queues it
   * @param stream that it is queued on
   */
  void run(String words, Runnable call, Stream stream) {
    guarded(
        () -> {
          requireWanted(words);
          call.run();
          await(words, () -> isReady(words), limitNanos);
          await(words, () -> isThrough(words, stream), limitNanos);
        });
  }

  private void guarded(Runnable body) {
    try {
      body.run();
    } catch (RuntimeException | Error failed) {
      abort();
      throw failed;
    }
  }

  private void await(String words, BooleanSupplier reached, long limit) {
    long start = System.nanoTime();
    long end = limit;
    String lost = null;
    while (!reached.getAsBoolean()) {
      long waited = System.nanoTime() - start;
      if (lost == null) {
        lost = peers.lost();
        end = lost == null ? limit : Math.min(limit, waited + LOST_NANOS);
      }
      if (waited > end) {
        throw broken(words, lost == null ? late(limit) : lost);
      }
      requireWanted(words);
      pause(waited);
    }
  }

  private static String late(long limit) {
    return "not through after "
        + TimeUnit.NANOSECONDS.toMillis(limit)
        + " ms; another rank is gone, stuck, or calls something else";
  }

  private void requireWanted(String words) {
    if (released) {
      throw broken(words, "this rank closed the group");
    }
    if (Thread.currentThread().isInterrupted()) {
      throw broken(words, "interrupted");
    }
  }

  private static void pause(long waited) {
    if (waited < EAGER_NANOS) {
      Thread.onSpinWait();
    } else {
      LockSupport.parkNanos(PAUSE_NANOS);
    }
  }

  /** Whether the device is through too; what NCCL found by then is thrown. */
  private boolean isThrough(String words, Stream stream) {
    boolean done = stream.isDone();
    return isReady(words) && done;
  }

  /** Whether the host is through with what was called; throws what NCCL has found. */
  private boolean isReady(String words) {
    check("ncclCommGetAsyncError", nccl.asyncError(handle, state));
    check(words, state.getValue());
    return state.getValue() == Nccl.SUCCESS;
  }

  /**
   * Throws unless the result is success, now or perhaps later.
   *
   * @param words the call
   */
  void check(String words, int result) {
    if (!isFine(result)) {
      throw broken(words, nccl.words(result) + nccl.lastError(handle));
    }
  }

  static boolean isFine(int result) {
    return result == Nccl.SUCCESS || result == Nccl.IN_PROGRESS;
  }

  private DeviceGroupException broken(String words, String why) {
    return new DeviceGroupException("%s, %s: %s".formatted(this, words, why));
  }

  /**
   * On a thread of its own, since it may wait for the other ranks of the machine to abort too
   * (github.com/NVIDIA/nccl/issues/863).
   */
  private void abort() {
    if (handle == null) {
      return;
    }
    Pointer broken = handle;
    handle = null;
    Thread aborting = new Thread(() -> abort(broken), "sparrow-nccl-abort-" + peers.rank());
    aborting.setDaemon(true);
    aborting.start();
    boolean interrupted = Thread.interrupted(); // the wait is short, and what is broken must end
    try {
      aborting.join(TimeUnit.NANOSECONDS.toMillis(LEAVE_NANOS));
    } catch (InterruptedException again) {
      interrupted = true;
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    if (aborting.isAlive()) {
      LOG.warn("{}: ncclCommAbort is not through; the GPU may be held until this JVM ends", this);
    }
  }

  private void abort(Pointer broken) {
    context.attach();
    note("ncclCommAbort", nccl.abort(broken));
  }

  /** Of a call after which nothing is left to do but to tell how it went. */
  private void note(String call, int result) {
    if (!isFine(result)) {
      LOG.warn("{}, {}: {}", this, call, nccl.words(result));
    }
  }

  /** A thread that waits here is let go with an exception; so are later callers. */
  void release() {
    released = true;
  }

  /** Takes leave of the other ranks, for at most ten seconds, or else aborts. */
  @Override
  public void close() {
    if (handle == null) {
      return;
    }
    if (hasLeft()) {
      note("ncclCommDestroy", nccl.destroy(handle));
      handle = null;
    } else {
      abort();
    }
  }

  private boolean hasLeft() {
    int result = nccl.finish(handle);
    long start = System.nanoTime();
    while (result == Nccl.IN_PROGRESS
        && System.nanoTime() - start < (peers.lost() == null ? LEAVE_NANOS : LOST_NANOS)
        && !Thread.currentThread().isInterrupted()) {
      LockSupport.parkNanos(PAUSE_NANOS);
      result = nccl.asyncError(handle, state);
      result = result == Nccl.SUCCESS ? state.getValue() : result;
    }
    return result == Nccl.SUCCESS;
  }

  /** Such as {@code NCCL 2.21.5, rank 0 of 2}. */
  @Override
  public String toString() {
    return nccl + ", rank " + peers.rank() + " of " + peers.size();
  }
}
