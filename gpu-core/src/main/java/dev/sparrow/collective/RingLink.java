package dev.sparrow.collective;

import io.netty.channel.Channel;

/**
 * One authenticated connection to a neighbour.
 *
 * @param peer the neighbour as messages name it, such as {@code rank 1 (10.0.0.7:4711)}
 */
record RingLink(String peer, Channel channel, FrameReader reader, FrameWriter writer) {}
