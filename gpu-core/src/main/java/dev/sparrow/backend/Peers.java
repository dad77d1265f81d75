package dev.sparrow.backend;

/** The ranks of one job, as far as a device that joins the others' needs to know them. */
public interface Peers {
  /** This rank, 0 to size - 1. */
  int rank();

  /** Number of ranks. */
  int size();

  /** A call in which nothing moves for this long fails. */
  long inactivityMillis();

  /**
   * Why a call may wait in vain: a peer was lost, has left or has failed; null while none is known
   * of. Any thread may ask, also while another one waits in a call.
   */
  String lost();
}
