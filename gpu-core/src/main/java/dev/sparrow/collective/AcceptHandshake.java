package dev.sparrow.collective;

import io.netty.channel.ChannelHandlerContext;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * The side that listens, for its left neighbour. A stranger is turned away and the wait goes on, so
 * that a port scan cannot break a job; a peer that proves the secret but disagrees about the ring
 * fails it at once.
 */
final class AcceptHandshake extends Handshake {
  private final Consumer<CollectiveException> strangers;
  private final Runnable done;
  private byte[] helloBytes;
  private byte[] challenge;
  private Hello hello;

  /**
   * @param strangers hears why a connection was turned away
   * @param done runs once, when the handshake has ended either way
   */
  AcceptHandshake(
      Membership self,
      RingSettings settings,
      CompletableFuture<RingLink> link,
      Consumer<CollectiveException> strangers,
      Runnable done) {
    super(self, settings, link);
    this.strangers = strangers;
    this.done = done;
  }

  @Override
  protected void handlerRemoved0(ChannelHandlerContext ctx) {
    done.run();
  }

  @Override
  public void channelActive(ChannelHandlerContext ctx) {
    startClock(ctx);
    ctx.fireChannelActive();
  }

  @Override
  protected void message(ChannelHandlerContext ctx, ByteBuffer message) {
    if (hello == null) {
      hello(ctx, message);
    } else {
      proof(ctx, message);
    }
  }

  private void hello(ChannelHandlerContext ctx, ByteBuffer message) {
    helloBytes = message.array();
    hello = Hello.read(message);
    if (hello == null) {
      refuse(ctx, "sent garbage instead of a greeting of version " + VERSION);
      return;
    }
    challenge = ByteBuffer.allocate(4 + NONCE_BYTES).putInt(self.rank()).put(nonce).array();
    byte[] proof = self.secret().sign("acceptor", helloBytes, challenge);
    send(
        ctx,
        ByteBuffer.allocate(challenge.length + proof.length).put(challenge).put(proof).array());
  }

  private void proof(ChannelHandlerContext ctx, ByteBuffer message) {
    byte[] expected = self.secret().sign("dialler", helloBytes, challenge);
    if (!MessageDigest.isEqual(expected, message.array())) {
      refuse(ctx, "does not hold this job's secret");
      return;
    }
    String conflict = hello.conflictWith(self);
    send(ctx, conflict.getBytes(StandardCharsets.UTF_8));
    if (!conflict.isEmpty()) {
      refuse(ctx, "does not fit: " + conflict);
      link()
          .completeExceptionally(
              new CollectiveException(
                  "rank "
                      + hello.rank()
                      + " at "
                      + ctx.channel().remoteAddress()
                      + " does not fit: "
                      + conflict));
      return;
    }
    FrameCipher cipher =
        self.encrypt()
            ? new FrameCipher(
                self.secret().deriveKey("acceptor to dialler", hello.nonce(), nonce),
                self.secret().deriveKey("dialler to acceptor", hello.nonce(), nonce))
            : null;
    succeed(ctx, self.left(), cipher);
  }

  @Override
  protected void failed(CollectiveException why) {
    strangers.accept(why);
  }
}
