package dev.sparrow.collective;

import io.netty.channel.Channel;
import java.net.InetSocketAddress;

/**
 * One authenticated connection to a neighbour.
 *
 * @param peer the neighbour as messages name it, such as {@code rank 1 (10.0.0.7:4711)}
 */
record RingLink(String peer, Channel channel, FrameReader reader, FrameWriter writer) {
  /** Whether both ends have the same address, so that they are likely on the same machine. */
  boolean isLocal() {
    return channel.localAddress() instanceof InetSocketAddress own
        && channel.remoteAddress() instanceof InetSocketAddress other
        && own.getAddress().equals(other.getAddress());
  }
}
