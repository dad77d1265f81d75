package dev.sparrow.collective;

import io.netty.channel.ChannelHandlerContext;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.concurrent.CompletableFuture;

/** The side that connects, to its right neighbour. Any failure fails the link. */
final class DialHandshake extends Handshake {
  private final byte[] hello;
  private byte[] peerNonce;

  DialHandshake(Membership self, RingSettings settings, CompletableFuture<RingLink> link) {
    super(self, settings, link);
    hello = Hello.of(self, nonce).bytes();
  }

  @Override
  public void channelActive(ChannelHandlerContext ctx) {
    send(ctx, hello);
    ctx.fireChannelActive();
  }

  @Override
  protected void message(ChannelHandlerContext ctx, ByteBuffer message) {
    if (peerNonce == null) {
      challenge(ctx, message);
    } else {
      verdict(ctx, message);
    }
  }

  private void challenge(ChannelHandlerContext ctx, ByteBuffer message) {
    if (message.remaining() != 4 + NONCE_BYTES + SharedSecret.BYTES) {
      refuse(ctx, "sent garbage instead of a challenge; is it a rank of this job?");
      return;
    }
    startClock(ctx);
    byte[] challenge = new byte[4 + NONCE_BYTES];
    byte[] proof = new byte[SharedSecret.BYTES];
    message.get(challenge).get(proof);
    byte[] expected = self.secret().sign("acceptor", hello, challenge);
    if (!MessageDigest.isEqual(expected, proof)) {
      refuse(ctx, "does not hold this job's secret");
      return;
    }
    int rank = ByteBuffer.wrap(challenge).getInt();
    if (rank != self.right()) {
      refuse(ctx, "is rank " + rank + ", expected rank " + self.right());
      return;
    }
    peerNonce = new byte[NONCE_BYTES];
    ByteBuffer.wrap(challenge).position(4).get(peerNonce);
    send(ctx, self.secret().sign("dialler", hello, challenge));
  }

  private void verdict(ChannelHandlerContext ctx, ByteBuffer message) {
    if (message.hasRemaining()) {
      refuse(ctx, "refused this rank: " + StandardCharsets.UTF_8.decode(message));
      return;
    }
    FrameCipher cipher =
        self.encrypt()
            ? new FrameCipher(
                self.secret().deriveKey("dialler to acceptor", nonce, peerNonce),
                self.secret().deriveKey("acceptor to dialler", nonce, peerNonce))
            : null;
    succeed(ctx, self.right(), cipher);
  }

  @Override
  protected void failed(CollectiveException why) {
    link().completeExceptionally(why);
  }
}
