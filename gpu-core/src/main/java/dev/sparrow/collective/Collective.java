package dev.sparrow.collective;

import dev.sparrow.backend.Peers;
import dev.sparrow.tensor.Tensor;

/**
 * The ranks of one job, in one ring. Every rank must make the same calls with the same sizes in the
 * same order; sizes are checked on the wire and a mismatch is an error on all ranks, never a hang.
 *
 * <p>Calls block until the result is there. One thread at a time calls, save {@link #close}, which
 * any thread may call to release a thread that waits: it then throws {@link CollectiveException}.
 * Sums have an order that the number of ranks fixes and, where devices sum among themselves, their
 * library and how they are linked: same inputs, same bits.
 */
public interface Collective extends Peers, AutoCloseable {
  @Override
  default long inactivityMillis() {
    return RingSettings.defaults().inactivityMillis();
  }

  @Override
  default String lost() {
    return null;
  }

  /** Whether what ranks send each other here is encrypted. */
  default boolean encrypts() {
    return false;
  }

  /**
   * Called by the thread of the tensors' backend: the ops that it has called so far come before
   * whatever another thread does here from now on. Matters to tensors in device memory alone.
   */
  default void mark() {}

  /** Replaces each element by its sum over all ranks, the same bits on every rank. */
  void allReduce(Tensor values);

  /**
   * Rank r keeps the sums of part r: the elements [start(r), start(r + 1)) of {@link #partStart};
   * the other elements are undefined afterwards.
   */
  void reduceScatter(Tensor values);

  /** Rank r gives part r and everyone receives all parts, in place. */
  void allGather(Tensor values);

  /** Part s of {@code send} goes to rank s; part r of {@code receive} comes from rank r. */
  void allToAll(Tensor send, Tensor receive);

  /** Everyone receives the root's values. */
  void broadcast(Tensor values, int root);

  /** Sums of a few doubles, same bits on every rank: losses, counts, votes. In place. */
  void allReduce(double[] values);

  /**
   * Everyone receives the root's bytes; the argument is ignored elsewhere and may be null there.
   */
  byte[] broadcast(byte[] bytes, int root);

  /** Returns when every rank has called. */
  void barrier();

  /** Bytes that this rank has sent since it was opened. */
  long sentBytes();

  /**
   * Closes connections; idempotent. A thread that waits in a call is released with an exception.
   */
  @Override
  void close();

  /**
   * First element of part {@code part} of {@code length} elements split over {@code size} ranks.
   */
  static long partStart(long length, int part, int size) {
    return length / size * part + Math.min(part, length % size);
  }
}
