package dev.sparrow.collective;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.GeneralSecurityException;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Cuts the bytes of one connection into frames. In the clear, data goes to the sink as it arrives,
 * with no copy in between; other frames and sealed ones are first gathered whole. Keeps what the
 * sink is not ready for and stops reading, so that a rank that is ahead waits in its socket.
 */
final class FrameReader extends ChannelInboundHandlerAdapter {
  private static final int MAX_UNIT = 8;

  private final FrameCipher cipher;
  private final Deque<ByteBuf> arrived = new ArrayDeque<>();
  private final ByteBuffer header = littleEndian(ByteBuffer.allocate(FrameType.HEADER_BYTES));

  /** The first bytes of an element that straddles two reads. */
  private final ByteBuffer carry = littleEndian(ByteBuffer.allocate(MAX_UNIT));

  private ChannelHandlerContext context;
  private FrameSink sink;
  private FrameType type;
  private int left;
  private ByteBuf gathered;
  private boolean draining;
  private boolean discarding;
  private boolean ended;
  private boolean reported;
  private Throwable endCause;

  /**
   * @param cipher null reads in the clear
   */
  FrameReader(FrameCipher cipher) {
    this.cipher = cipher;
  }

  /** Frames that came before this wait until now. */
  void start(FrameSink to) {
    sink = to;
    drain();
  }

  /** From now on all that arrives is thrown away; reading goes on so that the peer can finish. */
  void discard() {
    discarding = true;
    drain();
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    context = ctx;
  }

  @Override
  public void handlerRemoved(ChannelHandlerContext ctx) {
    discarding = true;
    releaseAll();
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    arrived.add((ByteBuf) message);
    drain();
  }

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext ctx) {
    if (sink != null && ctx.channel().isWritable()) {
      sink.writable();
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    ended = true;
    drain();
    if (sink == null) {
      releaseAll();
    }
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    endCause = cause;
    ended = true;
    ctx.close();
    drain();
  }

  /** Hands on all that the sink is ready for. */
  void drain() {
    if (draining || sink == null) {
      return;
    }
    draining = true;
    try {
      while (!arrived.isEmpty()) {
        ByteBuf in = arrived.peek();
        while (!discarding && in.isReadable() && take(in)) {
          continue;
        }
        if (!discarding && in.isReadable()) {
          context.channel().config().setAutoRead(false);
          return;
        }
        arrived.poll().release();
      }
    } catch (GeneralSecurityException forged) {
      fail(new CollectiveException("a frame failed its authentication", forged));
    } catch (CollectiveException garbage) {
      fail(garbage);
    } finally {
      draining = false;
    }
    afterDrain();
  }

  private void afterDrain() {
    if (!ended) {
      context.channel().config().setAutoRead(true);
      return;
    }
    releaseAll();
    if (!reported) {
      reported = true;
      sink.lost(endCause);
    }
  }

  private void fail(CollectiveException why) {
    discarding = true;
    ended = true;
    endCause = why;
    releaseAll();
    context.close();
  }

  private void releaseAll() {
    while (!arrived.isEmpty()) {
      arrived.poll().release();
    }
    if (gathered != null) {
      gathered.release();
      gathered = null;
    }
  }

  /** Takes some bytes; false where the sink is not ready for the frame. */
  private boolean take(ByteBuf in) throws GeneralSecurityException {
    if (header.hasRemaining()) {
      readHeader(in);
      return true;
    }
    if (!sink.ready(type)) {
      return false;
    }
    if (type == FrameType.DATA && cipher == null) {
      stream(in);
    } else {
      gather(in);
    }
    if (left == 0) {
      header.clear();
    }
    return true;
  }

  private void readHeader(ByteBuf in) {
    while (header.hasRemaining() && in.isReadable()) {
      header.put(in.readByte());
    }
    if (header.hasRemaining()) {
      return;
    }
    int number = header.getInt(0);
    left = header.getInt(4);
    FrameType[] types = FrameType.values();
    int overhead = cipher == null ? 0 : FrameCipher.TAG_BYTES;
    if (number < 0
        || number >= types.length
        || left <= overhead
        || left - overhead > types[number].maxPayload()) {
      throw new CollectiveException(
          "expected a frame, got garbage: type " + number + ", payload of " + left + " bytes");
    }
    type = types[number];
    carry.clear();
  }

  private void stream(ByteBuf in) {
    int unit = sink.unit();
    int bytes = Math.min(in.readableBytes(), left);
    if (carry.position() > 0 || bytes < unit) {
      bytes = Math.min(bytes, unit - carry.position());
      for (int i = 0; i < bytes; i++) {
        carry.put(in.readByte());
      }
      if (carry.position() == unit) {
        sink.data(carry.flip());
        carry.clear();
      }
    } else {
      bytes -= bytes % unit;
      sink.data(littleEndian(in.internalNioBuffer(in.readerIndex(), bytes)));
      in.skipBytes(bytes);
    }
    left -= bytes;
    requireWhole(left == 0 && carry.position() > 0);
  }

  private void gather(ByteBuf in) throws GeneralSecurityException {
    if (gathered == null) {
      gathered = context.alloc().directBuffer(left);
    }
    int bytes = Math.min(in.readableBytes(), left);
    gathered.writeBytes(in, bytes);
    left -= bytes;
    if (left > 0) {
      return;
    }
    ByteBuf frame = gathered;
    gathered = null;
    try {
      if (cipher == null) {
        deliver(frame);
      } else {
        open(frame);
      }
    } finally {
      frame.release();
    }
  }

  private void open(ByteBuf sealed) throws GeneralSecurityException {
    int bytes = sealed.readableBytes() - FrameCipher.TAG_BYTES;
    ByteBuf plain = context.alloc().directBuffer(bytes);
    try {
      cipher.open(header.flip(), sealed.nioBuffer(), plain.nioBuffer(0, bytes));
      deliver(plain.writerIndex(bytes));
    } finally {
      plain.release();
    }
  }

  private void deliver(ByteBuf frame) {
    ByteBuffer payload = littleEndian(frame.nioBuffer());
    if (type == FrameType.DATA) {
      requireWhole(payload.remaining() % sink.unit() != 0);
      sink.data(payload);
    } else {
      sink.control(type, payload);
    }
  }

  private static void requireWhole(boolean broken) {
    if (broken) {
      throw new CollectiveException("expected whole elements in a data frame, got a part of one");
    }
  }

  private static ByteBuffer littleEndian(ByteBuffer buffer) {
    return buffer.order(ByteOrder.LITTLE_ENDIAN);
  }
}
