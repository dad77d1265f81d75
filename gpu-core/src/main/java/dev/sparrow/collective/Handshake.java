package dev.sparrow.collective;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.ByteToMessageDecoder;
import java.io.IOException;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.security.SecureRandom;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * Mutual challenge-response over HMAC-SHA256 with the ring's secret, before any other byte:
 *
 * <pre>
 * dialler -> acceptor  HELLO      magic, version, rank, size, attempt, encrypt, nonce, job id
 * acceptor -> dialler  CHALLENGE  rank, nonce, HMAC("acceptor", HELLO, rank, nonce)
 * dialler -> acceptor  PROOF      HMAC("dialler", HELLO, rank, nonce)
 * acceptor -> dialler  VERDICT    empty, or why the dialler is refused
 * </pre>
 *
 * Both proofs cover the whole exchange and differ in purpose, so neither can be reflected or
 * replayed. The acceptor says why it refuses only after the proof. Messages are at most 1024 bytes,
 * led by their length in two bytes.
 */
abstract class Handshake extends ByteToMessageDecoder {
  static final int MAGIC = 0x53505257;
  static final int VERSION = 2;
  static final int NONCE_BYTES = 32;
  private static final int MAX_MESSAGE = 1024;
  private static final String HANG_UP_CAUSES =
      "; either it holds another secret or it failed first: its own error says why";
  private static final SecureRandom RANDOM = new SecureRandom();

  protected final Membership self;
  protected final byte[] nonce = new byte[NONCE_BYTES];
  private final RingSettings settings;
  private final CompletableFuture<RingLink> link;

  Handshake(Membership self, RingSettings settings, CompletableFuture<RingLink> link) {
    this.self = self;
    this.settings = settings;
    this.link = link;
    RANDOM.nextBytes(nonce);
  }

  /** The next message of the peer. Throws where it is not as it must be. */
  protected abstract void message(ChannelHandlerContext ctx, ByteBuffer message);

  @Override
  protected void decode(ChannelHandlerContext ctx, ByteBuf in, List<Object> out) {
    if (in.readableBytes() < 2) {
      return;
    }
    int length = in.getUnsignedShort(in.readerIndex());
    if (length > MAX_MESSAGE) {
      refuse(ctx, "sent garbage: a message of " + length + " bytes; is it a rank of this job?");
      return;
    }
    if (in.readableBytes() >= 2 + length) {
      byte[] bytes = new byte[length];
      in.skipBytes(2).readBytes(bytes);
      message(ctx, ByteBuffer.wrap(bytes));
    }
  }

  protected void send(ChannelHandlerContext ctx, byte[] message) {
    ByteBuf out = ctx.alloc().buffer(2 + message.length);
    ctx.writeAndFlush(out.writeShort(message.length).writeBytes(message));
  }

  /** Fails unless the handshake ends within the limit from now. */
  protected void startClock(ChannelHandlerContext ctx) {
    long limit = settings.handshakeMillis();
    ctx.executor()
        .schedule(
            () -> {
              if (!ctx.isRemoved()) {
                refuse(ctx, "did not finish the handshake within " + limit + " ms");
              }
            },
            limit,
            TimeUnit.MILLISECONDS);
  }

  /** The peer is who it must be: from here on the connection carries frames. */
  protected void succeed(ChannelHandlerContext ctx, int peer, FrameCipher cipher) {
    Channel channel = ctx.channel();
    FrameReader reader = new FrameReader(cipher);
    FrameWriter writer = new FrameWriter(channel, cipher);
    String name = "rank " + peer + " (" + address(channel.remoteAddress()) + ")";
    ctx.pipeline().addAfter(ctx.name(), "frames", reader);
    ctx.pipeline().remove(this);
    if (!link.complete(new RingLink(name, channel, reader, writer))) {
      channel.close();
    }
  }

  /** Ends the connection; what the link's future then holds is up to the side. */
  protected void refuse(ChannelHandlerContext ctx, String why) {
    failed(new CollectiveException("peer " + address(ctx.channel().remoteAddress()) + " " + why));
    ctx.close();
  }

  protected abstract void failed(CollectiveException why);

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    if (!ctx.isRemoved()) {
      refuse(ctx, "hung up during the handshake" + HANG_UP_CAUSES);
    }
    ctx.fireChannelInactive();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    boolean hungUp = cause instanceof IOException;
    refuse(ctx, "broke the handshake: " + cause.getMessage() + (hungUp ? HANG_UP_CAUSES : ""));
  }

  protected CompletableFuture<RingLink> link() {
    return link;
  }

  protected RingSettings settings() {
    return settings;
  }

  private static String address(SocketAddress address) {
    return String.valueOf(address).replaceFirst("^.*/", "");
  }
}
