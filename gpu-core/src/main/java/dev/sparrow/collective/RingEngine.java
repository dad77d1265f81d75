package dev.sparrow.collective;

import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.EventLoop;
import io.netty.channel.socket.DuplexChannel;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Runs one {@link Transfer} at a time over the connections to both neighbours. All state belongs to
 * one event loop thread, which also copies and sums: data is touched while it is in its cache, and
 * a call costs one hand-over there and one back.
 *
 * <p>The first failure breaks the ring for good. It is told to both neighbours, who tell theirs.
 */
final class RingEngine {
  private static final long LINGER_MILLIS = 1_000;

  private final Membership self;
  private final RingSettings settings;
  private final EventLoop loop;
  private final RingLink left;
  private final RingLink right;
  private final SharedPath shared;

  private volatile CollectiveException failure;

  private Transfer current;
  private volatile boolean leftGone;
  private volatile boolean rightGone;
  private boolean broken;
  private long progressNanos;

  RingEngine(
      Membership self, RingSettings settings, EventLoop loop, RingLink left, RingLink right) {
    this.self = self;
    this.settings = settings;
    this.loop = loop;
    this.left = left;
    this.right = right;
    this.shared = new SharedPath(settings);
  }

  /** Begins to listen to the neighbours. On the event loop, once. */
  void start() {
    long period = Math.max(1, Math.min(settings.inactivityMillis() / 4, 1_000));
    loop.scheduleAtFixedRate(this::checkActivity, period, period, TimeUnit.MILLISECONDS);
    left.reader().start(new FromLeft());
    right.reader().start(new FromRight());
    byte[] offer = failure == null ? shared.offer(right) : null;
    if (offer != null) {
      tell(right, FrameType.OFFER, offer.length, to -> to.put(offer));
    }
  }

  long inactivityMillis() {
    return settings.inactivityMillis();
  }

  boolean encrypts() {
    return settings.encrypt();
  }

  /** See {@link Collective#lost}; any thread. */
  String lost() {
    CollectiveException why = failure;
    if (why != null) {
      return why.getMessage();
    }
    return leftGone || rightGone ? (leftGone ? left : right).peer() + " has closed the ring" : null;
  }

  long sentBytes() {
    return left.writer().sentBytes() + right.writer().sentBytes() + shared.sentBytes();
  }

  /** Returns once the transfer is through, or throws why it is not. Any thread but the loop's. */
  void run(Transfer transfer) {
    throwIfFailed(failure, transfer);
    try {
      loop.execute(() -> begin(transfer));
    } catch (RejectedExecutionException stopped) {
      throw new CollectiveException(transfer.header() + ": this rank closed the ring", stopped);
    }
    try {
      transfer.await();
    } catch (InterruptedException interrupted) {
      abandon(transfer, interrupted);
    }
    throwIfFailed(transfer.failure(), transfer);
  }

  /** The array of an interrupted call is touched no more once this throws. */
  private void abandon(Transfer transfer, InterruptedException interrupted) {
    String why = "rank " + self.rank() + " was interrupted in " + transfer.header();
    try {
      loop.submit(() -> fail(why, interrupted)).awaitUninterruptibly();
    } catch (RejectedExecutionException stopped) {
      interrupted.addSuppressed(stopped);
    }
    Thread.currentThread().interrupt();
    throw new CollectiveException(why, interrupted);
  }

  /** The exception is made anew so that it shows the caller's stack as well as the first cause. */
  private void throwIfFailed(CollectiveException why, Transfer transfer) {
    if (why != null) {
      throw new CollectiveException(
          "rank " + self.rank() + ", " + transfer.header() + ": " + why.getMessage(), why);
    }
  }

  private void begin(Transfer transfer) {
    if (failure != null) {
      transfer.fail(failure);
      return;
    }
    current = transfer;
    progressNanos = System.nanoTime();
    if (leftGone || rightGone) {
      failGone();
      return;
    }
    try {
      send(right, FrameType.CALL, CallHeader.BYTES, transfer.header()::write);
      pump();
      right.channel().flush();
      left.reader().drain();
      advance();
    } catch (RuntimeException failed) {
      fail("rank " + self.rank() + " failed: " + failed, failed);
    }
  }

  /** Sends what may go out, as far as the socket keeps up; ends the call when all is through. */
  private void advance() {
    pump();
    if (current != null && current.done()) {
      Transfer finished = current;
      current = null;
      finished.finish();
    }
  }

  /** A flush may end the call: its listeners hear of failures and of room at once. */
  private void pump() {
    while (current != null && right.channel().isWritable() && sendFrame()) {
      right.channel().flush();
    }
  }

  /** False where no element may go out yet or shared memory is full. */
  private boolean sendFrame() {
    int count = current.sendable(settings.chunkBytes() / current.unit());
    return count > 0 && sendFrame(count);
  }

  private boolean sendFrame(int count) {
    int unit = current.unit();
    SharedOutlet outlet = shared.outletFor(count * unit);
    if (outlet == null) {
      send(right, FrameType.DATA, count * unit, to -> current.send(count, to));
      return true;
    }
    int elements = Math.min(count, SharedMemory.SLOT_BYTES / unit);
    ByteBuffer slot = outlet.next(elements * unit);
    if (slot == null) {
      return false;
    }
    current.send(elements, slot);
    send(right, FrameType.SHARED, Integer.BYTES, to -> to.putInt(elements * unit));
    return true;
  }

  private void send(RingLink link, FrameType type, int bytes, Consumer<ByteBuffer> fill) {
    ChannelFuture written = link.writer().write(type, bytes, fill);
    written.addListener(
        done -> {
          if (done.isSuccess()) {
            progressNanos = System.nanoTime();
          } else {
            lost(link, done.cause());
          }
        });
  }

  private void lost(RingLink link, Throwable cause) {
    boolean gone = link == left ? leftGone : rightGone;
    if (!gone) {
      String why = cause == null ? "closed the connection without a goodbye" : "" + reason(cause);
      fail("lost " + link.peer() + ": " + why, cause);
    }
  }

  private static String reason(Throwable cause) {
    return cause.getMessage() == null ? cause.toString() : cause.getMessage();
  }

  /** A neighbour that has closed can neither give nor take what the current call still needs. */
  private void failGone() {
    if (current == null) {
      return;
    }
    boolean missing = !current.headerReceived() || !current.allReceived();
    if (leftGone && missing) {
      fail(left.peer() + " has closed the ring and does not take part", null);
    } else if (rightGone && !current.allSent()) {
      fail(right.peer() + " has closed the ring and does not take part", null);
    }
  }

  private void checkActivity() {
    long idleMillis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - progressNanos);
    if (current == null || idleMillis < settings.inactivityMillis()) {
      return;
    }
    boolean waitsForLeft = !current.headerReceived() || !current.allReceived();
    fail(
        (waitsForLeft ? left.peer() + " sent" : right.peer() + " took")
            + " nothing for "
            + idleMillis
            + " ms; it or a rank beyond it is stuck, or the limit is too short",
        null);
  }

  private void fail(String message, Throwable cause) {
    fail(message, cause, message);
  }

  /**
   * Breaks the ring: the waiting call, the calls to come and both neighbours learn why.
   *
   * @param told what the neighbours are told
   */
  private void fail(String message, Throwable cause, String told) {
    if (broken) {
      return;
    }
    broken = true;
    failure = new CollectiveException(message, cause);
    shared.close();
    left.reader().discard();
    right.reader().discard();
    if (current != null) {
      current.fail(failure);
      current = null;
    }
    byte[] text = told.getBytes(StandardCharsets.UTF_8);
    int bytes = Math.min(text.length, FrameType.ABORT.maxPayload());
    tell(left, FrameType.ABORT, bytes, to -> to.put(text, 0, bytes));
    tell(right, FrameType.ABORT, bytes, to -> to.put(text, 0, bytes));
  }

  private void tell(RingLink link, FrameType type, int bytes, Consumer<ByteBuffer> fill) {
    if (link.channel().isActive()) {
      link.writer().write(type, bytes, fill);
      link.channel().flush();
    }
  }

  /**
   * Says goodbye, or in the midst of a call breaks the ring, and returns when both connections are
   * closed. Any thread but the loop's; the loop must still run.
   */
  void close() {
    loop.execute(
        () -> {
          boolean orderly = current == null && !broken;
          if (orderly) {
            broken = true;
            failure = new CollectiveException("this rank closed the ring");
            shared.close();
            left.reader().discard();
            right.reader().discard();
            tell(left, FrameType.GOODBYE, 1, to -> to.put((byte) 0));
            tell(right, FrameType.GOODBYE, 1, to -> to.put((byte) 0));
          } else {
            fail("rank " + self.rank() + " closed the ring during a call", null);
          }
          close(left, orderly);
          close(right, orderly && !shared.awaitsAnswer());
        });
    left.channel().closeFuture().awaitUninterruptibly(2 * LINGER_MILLIS);
    right.channel().closeFuture().awaitUninterruptibly(2 * LINGER_MILLIS);
  }

  /**
   * Closes once all is written. Where the peer may still send, as in a broken ring, the connection
   * is first read until the peer closes: closing over unread bytes would reset it and the peer
   * could lose what it has not read.
   */
  private void close(RingLink link, boolean orderly) {
    DuplexChannel channel = (DuplexChannel) link.channel();
    channel
        .writeAndFlush(Unpooled.EMPTY_BUFFER)
        .addListener(
            (ChannelFutureListener)
                written -> {
                  if (orderly || !written.isSuccess()) {
                    channel.close();
                  } else {
                    channel.shutdownOutput();
                  }
                });
    loop.schedule(() -> channel.close(), LINGER_MILLIS, TimeUnit.MILLISECONDS);
  }

  /** What the left neighbour sends: its calls and their data. */
  private final class FromLeft implements FrameSink {
    @Override
    public boolean ready(FrameType type) {
      return switch (type) {
        case CALL -> current != null && !current.headerReceived();
        case DATA, SHARED -> current != null && current.headerReceived();
        case ABORT, GOODBYE, OFFER, ANSWER, TAKEN -> true;
      };
    }

    @Override
    public int unit() {
      return current.unit();
    }

    @Override
    public void data(ByteBuffer elements) {
      receive(elements);
      advance();
    }

    private void receive(ByteBuffer elements) {
      progressNanos = System.nanoTime();
      if (!current.receive(elements)) {
        throw new CollectiveException("sent more elements than the call has");
      }
    }

    private void shared(int bytes) {
      SharedInlet inlet = shared.inlet();
      ByteBuffer elements = inlet.next(bytes);
      if (bytes % current.unit() != 0) {
        throw new CollectiveException("expected whole elements, got " + bytes + " bytes of them");
      }
      receive(elements);
      if (inlet.release()) {
        tell(left, FrameType.TAKEN, 1, to -> to.put((byte) 0));
      }
      advance();
    }

    private void offered(ByteBuffer offer) {
      byte accepted = (byte) (shared.offered(offer) ? 1 : 0);
      tell(left, FrameType.ANSWER, 1, to -> to.put(accepted));
    }

    @Override
    public void control(FrameType type, ByteBuffer payload) {
      progressNanos = System.nanoTime();
      switch (type) {
        case CALL -> called(CallHeader.read(payload));
        case ABORT -> aborted(left, text(payload));
        case SHARED -> shared(payload.getInt());
        case OFFER -> offered(payload);
        case GOODBYE -> {
          leftGone = true;
          failGone();
        }
        default -> throw new CollectiveException("sent an answer in the direction of the ring");
      }
    }

    private void called(CallHeader theirs) {
      CallHeader ours = current.header();
      if (!ours.equals(theirs)) {
        fail(
            "ranks out of step: rank "
                + self.rank()
                + " is in "
                + ours
                + ", "
                + left.peer()
                + " in "
                + theirs
                + "; every rank must make the same calls with the same sizes in the same order",
            null);
        return;
      }
      current.headerArrived();
      advance();
    }

    @Override
    public void writable() {}

    @Override
    public void lost(Throwable cause) {
      RingEngine.this.lost(left, cause);
    }
  }

  /** What the right neighbour sends back: only that it broke or closed. */
  private final class FromRight implements FrameSink {
    @Override
    public boolean ready(FrameType type) {
      return true;
    }

    @Override
    public int unit() {
      return 1;
    }

    @Override
    public void data(ByteBuffer elements) {
      throw new CollectiveException("sent data against the direction of the ring");
    }

    @Override
    public void control(FrameType type, ByteBuffer payload) {
      switch (type) {
        case ABORT -> aborted(right, text(payload));
        case GOODBYE -> {
          rightGone = true;
          failGone();
        }
        case ANSWER -> shared.answered(payload.get() == 1);
        case TAKEN -> {
          shared.woken();
          advance();
        }
        default -> throw new CollectiveException("sent a call against the direction of the ring");
      }
    }

    @Override
    public void writable() {
      advance();
    }

    @Override
    public void lost(Throwable cause) {
      RingEngine.this.lost(right, cause);
    }
  }

  private void aborted(RingLink by, String why) {
    fail(by.peer() + " reports: " + why, null, why);
  }

  private static String text(ByteBuffer payload) {
    return StandardCharsets.UTF_8.decode(payload).toString();
  }
}
