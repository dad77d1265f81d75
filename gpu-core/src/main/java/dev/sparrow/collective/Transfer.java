package dev.sparrow.collective;

import java.nio.ByteBuffer;
import java.util.concurrent.CountDownLatch;

/**
 * One call of one rank, as two streams of elements: what goes to the right neighbour and what comes
 * from the left one. A send segment may depend on a place in the incoming stream; its element i may
 * go out once incoming element {@code after + i} is in, so a step of the ring starts while the one
 * before it still arrives.
 *
 * <p>The caller's thread builds it and waits; all else happens on the ring's event loop.
 */
final class Transfer {
  /**
   * Elements [at, at + length) of an array, to be sent, or to be set or summed from the wire.
   *
   * @param after for a send: where the incoming stream brings its first element, or {@link #NOW}
   * @param sum for a receive: add instead of replace
   */
  record Segment(Elements elements, int at, int length, long after, boolean sum) {
    static final long NOW = -1;
  }

  private final CallHeader header;
  private final Segment[] sends;
  private final Segment[] receives;
  private final int unit;
  private final CountDownLatch finished = new CountDownLatch(1);
  private volatile CollectiveException failure;

  private boolean headerReceived;
  private int sending;
  private int sentOfSegment;
  private int receiving;
  private int receivedOfSegment;
  private long received;

  Transfer(CallHeader header, int unit, Segment[] sends, Segment[] receives) {
    this.header = header;
    this.unit = unit;
    this.sends = sends;
    this.receives = receives;
    skipFinished();
  }

  CallHeader header() {
    return header;
  }

  /** Bytes of one element. */
  int unit() {
    return unit;
  }

  boolean headerReceived() {
    return headerReceived;
  }

  void headerArrived() {
    headerReceived = true;
  }

  /** Elements that may go out now, all from one segment; at most {@code limit}. */
  int sendable(int limit) {
    if (allSent()) {
      return 0;
    }
    Segment segment = sends[sending];
    long available =
        segment.after == Segment.NOW
            ? segment.length
            : Math.min(segment.length, received - segment.after);
    return (int) Math.max(0, Math.min(limit, available - sentOfSegment));
  }

  /** Appends the next {@code count} elements, at most {@link #sendable}. */
  void send(int count, ByteBuffer to) {
    Segment segment = sends[sending];
    segment.elements.write(segment.at + sentOfSegment, count, to);
    sentOfSegment += count;
    skipFinished();
  }

  /** Takes whole elements; false where the call expects fewer. */
  boolean receive(ByteBuffer from) {
    while (from.remaining() >= unit) {
      if (allReceived()) {
        return false;
      }
      Segment segment = receives[receiving];
      int count = Math.min(from.remaining() / unit, segment.length - receivedOfSegment);
      int at = segment.at + receivedOfSegment;
      if (segment.sum) {
        segment.elements.add(at, count, from);
      } else {
        segment.elements.set(at, count, from);
      }
      receivedOfSegment += count;
      received += count;
      skipFinished();
    }
    return true;
  }

  private void skipFinished() {
    while (!allSent() && sentOfSegment == sends[sending].length) {
      sending++;
      sentOfSegment = 0;
    }
    while (!allReceived() && receivedOfSegment == receives[receiving].length) {
      receiving++;
      receivedOfSegment = 0;
    }
  }

  boolean allSent() {
    return sending == sends.length;
  }

  boolean allReceived() {
    return receiving == receives.length;
  }

  boolean done() {
    return headerReceived && allSent() && allReceived();
  }

  void finish() {
    finished.countDown();
  }

  void fail(CollectiveException why) {
    failure = why;
    finished.countDown();
  }

  /** Waits until the loop has finished or failed this call. */
  void await() throws InterruptedException {
    finished.await();
  }

  /** Null where the call went well. */
  CollectiveException failure() {
    return failure;
  }
}
