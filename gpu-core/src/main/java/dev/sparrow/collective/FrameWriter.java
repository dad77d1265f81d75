package dev.sparrow.collective;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.GeneralSecurityException;
import java.util.function.Consumer;

/** Writes frames to one connection, without flushing. Event loop only. */
final class FrameWriter {
  private final Channel channel;
  private final FrameCipher cipher;
  private volatile long sentBytes;

  /**
   * @param cipher null sends in the clear
   */
  FrameWriter(Channel channel, FrameCipher cipher) {
    this.channel = channel;
    this.cipher = cipher;
  }

  /** Bytes of all frames so far, headers and tags included. Any thread. */
  long sentBytes() {
    return sentBytes;
  }

  /** A frame whose payload of {@code bytes} bytes {@code fill} writes. */
  ChannelFuture write(FrameType type, int bytes, Consumer<ByteBuffer> fill) {
    int payload = cipher == null ? bytes : bytes + FrameCipher.TAG_BYTES;
    ByteBuf frame = channel.alloc().directBuffer(FrameType.HEADER_BYTES + payload);
    boolean written = false;
    try {
      frame.writeIntLE(type.ordinal()).writeIntLE(payload);
      ByteBuffer body = window(frame, FrameType.HEADER_BYTES, payload);
      if (cipher == null) {
        fill.accept(body);
      } else {
        seal(frame.nioBuffer(0, FrameType.HEADER_BYTES), bytes, fill, body);
      }
      frame.writerIndex(FrameType.HEADER_BYTES + payload);
      written = true;
      sentBytes += frame.readableBytes();
      return channel.write(frame);
    } finally {
      if (!written) {
        frame.release();
      }
    }
  }

  private void seal(ByteBuffer header, int bytes, Consumer<ByteBuffer> fill, ByteBuffer to) {
    ByteBuf plain = channel.alloc().directBuffer(bytes);
    try {
      ByteBuffer window = window(plain, 0, bytes);
      fill.accept(window);
      window.flip();
      cipher.seal(header, window, to);
    } catch (GeneralSecurityException failed) {
      throw new CollectiveException("encryption of a frame failed", failed);
    } finally {
      plain.release();
    }
  }

  private static ByteBuffer window(ByteBuf buffer, int at, int bytes) {
    return buffer.nioBuffer(at, bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
