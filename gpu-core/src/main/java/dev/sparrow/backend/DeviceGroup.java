package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/**
 * The devices of all ranks, which sum and exchange float tensors. Every rank makes the same calls
 * with the same types and sizes in the same order. Parts are those of {@code Collective.partStart}:
 * the first {@code size mod ranks} are one element longer.
 *
 * <p>{@link #mark} and {@link #close} belong to the backend's thread, the calls between to one
 * thread at a time, {@link #release} to any. Who gets one from {@link DeviceGroups#join} may leave
 * its closing to the backend. A call that fails breaks the group for good, with a {@link
 * DeviceGroupException}.
 */
public interface DeviceGroup extends AutoCloseable {
  /** All ops called so far come before whatever is called here from now on. */
  void mark();

  /** Replaces each element by its sum over all ranks, the same bits on every rank. */
  void allReduceSync(Tensor values);

  /** Rank r keeps the sums of part r; the other elements are undefined afterwards. */
  void reduceScatterSync(Tensor values);

  /** Rank r gives part r and everyone receives all parts, in place. */
  void allGatherSync(Tensor values);

  /**
   * Part s of {@code send} goes to rank s; part r of {@code receive} comes from rank r. Both are of
   * one type and size, a multiple of the number of ranks.
   */
  void allToAllSync(Tensor send, Tensor receive);

  /** Everyone receives the root's values. */
  void broadcastSync(Tensor values, int root);

  /** A thread that waits in a call is let go with an exception; so are later callers. */
  void release();

  @Override
  void close();
}
