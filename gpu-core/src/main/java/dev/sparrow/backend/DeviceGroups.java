package dev.sparrow.backend;

/**
 * How a backend's device joins those of other ranks. Got by {@link Backend#groups}, used by the
 * backend's thread.
 */
public interface DeviceGroups {
  /** By what the devices would reach each other, for logs: library and version. */
  String description();

  /**
   * What all ranks need to find each other; asked of rank 0 alone, anew for each group.
   *
   * @throws DeviceGroupException where it cannot be had
   */
  byte[] id();

  /**
   * Joins the devices of all ranks; waits for them, for half of what a call may at most. A later
   * call that is not through within {@link Peers#inactivityMillis}, or soon after a peer was {@link
   * Peers#lost}, fails.
   *
   * @param id {@link #id} of rank 0
   * @throws DeviceGroupException where they do not come together
   */
  DeviceGroup join(byte[] id, Peers peers);

  /** The setting that forbids any other way, such as {@code train.cuda.nccl=on}; empty for none. */
  String demandedBy();
}
