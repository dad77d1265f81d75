package dev.sparrow.collective;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.FixedRecvByteBufAllocator;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.util.NettyRuntime;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;

/**
 * A rank's listening socket, opened before the ranks know of each other, so that its address can be
 * handed around first:
 *
 * <pre>{@code
 * try (RingEndpoint endpoint = RingEndpoint.bind(host, ports, settings)) {
 *   List<HostAndPort> peers = exchange(endpoint.address());
 *   Collective ring = endpoint.connect(rank, peers, secret, jobId, attempt);
 * }
 * }</pre>
 *
 * <p>The port stays bound from {@link #bind} until the ring stands, and is closed then: nobody can
 * join later. The collective outlives the endpoint.
 */
public final class RingEndpoint implements AutoCloseable {
  private static final int PAGE_BYTES = 8192;

  /**
   * Pool memory comes in pieces of 32 MiB: a piece that is never more than a quarter full is kept,
   * not freed and faulted in again.
   */
  private static final int POOL_ORDER = 12;

  /**
   * One pool for all rings of this JVM. A pool keeps a piece of memory until the collector finds
   * the pool itself, so a pool for each ring would cost 32 MiB at every attempt to join again.
   */
  private static final PooledByteBufAllocator BUFFERS =
      new PooledByteBufAllocator(
          true, 0, NettyRuntime.availableProcessors(), PAGE_BYTES, POOL_ORDER, 0, 0, false);

  private final RingSettings settings;
  private final Transport transport = Transport.best();
  private final EventLoopGroup group;
  private Channel listener;
  private HostAndPort address;

  /** Set by {@link #connect}; until then connections wait in the kernel's queue. */
  private volatile RingOpening opening;

  // Guarded by this.
  private boolean closed;
  private boolean handedOver;

  private RingEndpoint(RingSettings settings) {
    this.settings = settings;
    this.group =
        new MultiThreadIoEventLoopGroup(
            1, new DefaultThreadFactory("sparrow-ring", true), transport.handlers());
  }

  /**
   * Listens at once.
   *
   * @param host this machine's own name or address as the other ranks reach it; not a wildcard
   * @param ports tried in turn
   * @throws CollectiveException where none of the ports is free or the host is not this machine
   */
  public static RingEndpoint bind(String host, PortRange ports, RingSettings settings) {
    InetAddress local = resolve(host);
    RingEndpoint endpoint = new RingEndpoint(settings);
    try {
      endpoint.listen(host, local, ports);
      return endpoint;
    } catch (RuntimeException failed) {
      endpoint.close();
      throw failed;
    }
  }

  private static InetAddress resolve(String host) {
    try {
      InetAddress local = InetAddress.getByName(host);
      if (local.isAnyLocalAddress()) {
        throw new IllegalArgumentException(
            "host: expected this machine's own address, got the wildcard " + host);
      }
      return local;
    } catch (UnknownHostException unknown) {
      throw new CollectiveException("cannot bind: host '" + host + "' is unknown", unknown);
    }
  }

  private void listen(String host, InetAddress local, PortRange ports) {
    Throwable last = null;
    for (int port = ports.first(); port <= ports.last(); port++) {
      ChannelFuture bound =
          server().bind(new InetSocketAddress(local, port)).awaitUninterruptibly();
      if (bound.isSuccess()) {
        listener = bound.channel();
        address = new HostAndPort(host, ((InetSocketAddress) listener.localAddress()).getPort());
        return;
      }
      last = bound.cause();
    }
    throw new CollectiveException(
        "cannot bind " + host + " on ports " + ports + ": " + last.getMessage(), last);
  }

  private ServerBootstrap server() {
    return new ServerBootstrap()
        .group(group)
        .channel(transport.server())
        .option(ChannelOption.AUTO_READ, false)
        .option(ChannelOption.ALLOCATOR, BUFFERS)
        .childOption(ChannelOption.ALLOCATOR, BUFFERS)
        .childOption(ChannelOption.TCP_NODELAY, true)
        .childOption(ChannelOption.SO_KEEPALIVE, true)
        .childOption(ChannelOption.WRITE_BUFFER_WATER_MARK, waterMark())
        .childOption(
            ChannelOption.RECVBUF_ALLOCATOR, new FixedRecvByteBufAllocator(settings.chunkBytes()))
        .childHandler(
            new ChannelInitializer<Channel>() {
              @Override
              protected void initChannel(Channel channel) {
                channel.pipeline().addLast(opening.acceptor(channel.parent()));
              }
            });
  }

  private WriteBufferWaterMark waterMark() {
    return new WriteBufferWaterMark(settings.chunkBytes(), 2 * settings.chunkBytes());
  }

  /** Where this endpoint listens. */
  public HostAndPort address() {
    return address;
  }

  /**
   * Joins the ring: dials the next rank, waits for the one before. Once per endpoint. For a single
   * rank a {@link LocalCollective}.
   *
   * @param peers address of every rank, in rank order; this rank's own among them
   * @param secret 32 random bytes, the same on all ranks and fresh for each attempt
   * @param jobId at most 100 characters, the same on all ranks
   * @throws CollectiveException naming the peer and the reason; everything is closed then
   */
  public Collective connect(
      int rank, List<HostAndPort> peers, byte[] secret, String jobId, int attempt) {
    Membership self =
        new Membership(
            rank, peers.size(), jobId, attempt, settings.encrypt(), new SharedSecret(secret));
    if (peers.size() == 1) {
      close();
      return new LocalCollective();
    }
    try {
      RingOpening now = new RingOpening(self, peers, settings, group.next());
      begin(now);
      listener.config().setAutoRead(true);
      now.dial(transport, BUFFERS, waterMark());
      RingEngine engine = now.await();
      handOver();
      return new RingCollective(self, engine, group);
    } catch (RejectedExecutionException stopped) {
      throw new CollectiveException("rank " + rank + ": the endpoint was closed", stopped);
    } finally {
      close();
    }
  }

  private synchronized void begin(RingOpening now) {
    if (closed || opening != null) {
      throw new CollectiveException("the endpoint is closed or in use; bind another one");
    }
    opening = now;
  }

  /** From here on the loop belongs to the collective. */
  private synchronized void handOver() {
    if (closed) {
      throw new CollectiveException("the endpoint was closed while the ring opened");
    }
    handedOver = true;
  }

  /** For tests: buffers that rings of this JVM have taken and not given back. */
  static long buffersInUse() {
    return BUFFERS.metric().directArenas().stream().mapToLong(a -> a.numActiveAllocations()).sum();
  }

  /** Stops listening; idempotent. Releases a thread that waits in {@link #connect}. */
  @Override
  public void close() {
    boolean ownsLoop;
    synchronized (this) {
      closed = true;
      ownsLoop = !handedOver;
    }
    if (opening != null) {
      opening.cancel();
    }
    if (listener != null) {
      listener.close();
    }
    if (ownsLoop) {
      group.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(1, TimeUnit.SECONDS);
    }
  }
}
