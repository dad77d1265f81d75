package dev.sparrow.collective;

import java.nio.ByteBuffer;

/**
 * A rank's shared memory with both neighbours, as far as there is any: what it offers to the right
 * one and what the left one offered. Event loop only.
 */
final class SharedPath {
  private final boolean allowed;

  /** Null where the right neighbour is on another machine or sharing is off. */
  private volatile SharedOutlet outlet;

  private SharedInlet inlet;

  SharedPath(RingSettings settings) {
    allowed = settings.shareMemory() && !settings.encrypt();
  }

  /** What to offer to the right neighbour; null for nothing. */
  byte[] offer(RingLink right) {
    if (allowed && right.isLocal()) {
      outlet = SharedOutlet.create();
    }
    return outlet == null ? null : outlet.offer();
  }

  /** The right neighbour's answer. */
  void answered(boolean accepted) {
    if (outlet == null || outlet.answered()) {
      throw new CollectiveException("answered an offer that was not made");
    }
    outlet.answer(accepted);
  }

  /** Whether the right neighbour still owes an answer. */
  boolean awaitsAnswer() {
    return outlet != null && !outlet.answered();
  }

  /** The right neighbour has taken what filled the slots. */
  void woken() {
    if (outlet == null) {
      throw new CollectiveException("took from memory that is not shared");
    }
    outlet.woken();
  }

  /** Where a message of that size goes to the right neighbour; null through the socket. */
  SharedOutlet outletFor(int bytes) {
    boolean use = outlet != null && outlet.isOpen() && bytes >= SharedOutlet.MIN_BYTES;
    return use ? outlet : null;
  }

  /** The left neighbour's offer; true where it is accepted. */
  boolean offered(ByteBuffer offer) {
    inlet = allowed ? SharedInlet.open(offer) : null;
    return inlet != null;
  }

  /** Where the left neighbour's messages are. */
  SharedInlet inlet() {
    if (inlet == null) {
      throw new CollectiveException("sent data through memory that is not shared");
    }
    return inlet;
  }

  /** Bytes of elements sent so far. Any thread. */
  long sentBytes() {
    SharedOutlet now = outlet;
    return now == null ? 0 : now.sentBytes();
  }

  /** Leaves no file behind. */
  void close() {
    if (outlet != null) {
      outlet.removeFile();
    }
  }
}
