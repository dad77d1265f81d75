package dev.sparrow.collective;

import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.FixedRecvByteBufAllocator;
import io.netty.channel.WriteBufferWaterMark;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The time between the rendezvous and a standing ring: one connection out, one in. */
final class RingOpening {
  /**
   * Connections that may be in handshake at once. More wait in the kernel's queue, the true
   * neighbour among them, until one is through or its limit has passed.
   */
  static final int MAX_CALLERS = 64;

  private static final Logger LOG = LoggerFactory.getLogger(RingOpening.class);

  private final Membership self;
  private final List<HostAndPort> peers;
  private final RingSettings settings;
  private final EventLoop loop;
  private final CompletableFuture<RingLink> left = new CompletableFuture<>();
  private final CompletableFuture<RingLink> right = new CompletableFuture<>();
  private final CompletableFuture<RingEngine> engine = new CompletableFuture<>();
  private volatile CollectiveException lastStranger;

  /** Connections in handshake; event loop only. */
  private int callers;

  RingOpening(Membership self, List<HostAndPort> peers, RingSettings settings, EventLoop loop) {
    this.self = self;
    this.peers = List.copyOf(peers);
    this.settings = settings;
    this.loop = loop;
    left.whenComplete((link, failure) -> oneSideDone(self.left(), failure));
    right.whenComplete((link, failure) -> oneSideDone(self.right(), failure));
  }

  /**
   * A handler for one incoming connection. On the event loop.
   *
   * @param listener stops to accept while too many are in handshake
   */
  ChannelHandler acceptor(Channel listener) {
    callers++;
    if (callers == MAX_CALLERS) {
      listener.config().setAutoRead(false);
    }
    return new AcceptHandshake(self, settings, left, this::turnedAway, () -> callerDone(listener));
  }

  private void callerDone(Channel listener) {
    callers--;
    if (callers == MAX_CALLERS - 1 && listener.isOpen()) {
      listener.config().setAutoRead(true);
    }
  }

  private void turnedAway(CollectiveException why) {
    LOG.warn("rank {}: turned away a connection: {}", self.rank(), why.getMessage());
    lastStranger = why;
  }

  void dial(Transport transport, ByteBufAllocator buffers, WriteBufferWaterMark waterMark) {
    HostAndPort to = peers.get(self.right());
    new Bootstrap()
        .group(loop)
        .channel(transport.socket())
        .option(ChannelOption.ALLOCATOR, buffers)
        .option(ChannelOption.TCP_NODELAY, true)
        .option(ChannelOption.SO_KEEPALIVE, true)
        .option(ChannelOption.WRITE_BUFFER_WATER_MARK, waterMark)
        .option(
            ChannelOption.RECVBUF_ALLOCATOR, new FixedRecvByteBufAllocator(settings.chunkBytes()))
        .option(
            ChannelOption.CONNECT_TIMEOUT_MILLIS,
            (int) Math.min(settings.openMillis(), Integer.MAX_VALUE))
        .handler(new DialHandshake(self, settings, right))
        .connect(new InetSocketAddress(to.host(), to.port()))
        .addListener(
            dialled -> {
              if (!dialled.isSuccess()) {
                Throwable cause = dialled.cause();
                right.completeExceptionally(
                    new CollectiveException("cannot reach it: " + cause.getMessage(), cause));
              }
            });
  }

  private void oneSideDone(int neighbour, Throwable failure) {
    if (failure != null) {
      engine.completeExceptionally(
          new CollectiveException(peer(neighbour) + ": " + failure.getMessage(), failure));
    } else if (left.isDone() && right.isDone() && !engine.isDone()) {
      RingEngine ring = new RingEngine(self, settings, loop, left.join(), right.join());
      ring.start();
      engine.complete(ring);
    }
  }

  void cancel() {
    engine.completeExceptionally(new CollectiveException("the endpoint was closed"));
  }

  /** The standing ring; throws within the opening limit. */
  RingEngine await() {
    try {
      return engine.get(settings.openMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException failed) {
      throw opening(failed.getCause().getMessage() + stranger(), failed.getCause());
    } catch (TimeoutException late) {
      throw opening(missing(), late);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw opening("interrupted while waiting for " + missing(), interrupted);
    }
  }

  private String missing() {
    String limit = " within " + settings.openMillis() + " ms";
    StringBuilder text = new StringBuilder();
    if (!right.isDone()) {
      text.append(peer(self.right())).append(" did not answer").append(limit);
    }
    if (!left.isDone()) {
      text.append(text.isEmpty() ? "" : "; ");
      text.append(peer(self.left())).append(" did not connect").append(limit);
    }
    return text + stranger();
  }

  /** A neighbour with another secret looks like one: what it did may explain the failure. */
  private String stranger() {
    CollectiveException stranger = lastStranger;
    return stranger == null ? "" : "; last connection turned away: " + stranger.getMessage();
  }

  private String peer(int rank) {
    return "rank " + rank + " (" + peers.get(rank) + ")";
  }

  private CollectiveException opening(String why, Throwable cause) {
    return new CollectiveException("rank " + self.rank() + " cannot open the ring: " + why, cause);
  }
}
