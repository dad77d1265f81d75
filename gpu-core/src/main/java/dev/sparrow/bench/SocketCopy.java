package dev.sparrow.bench;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

/**
 * The yardstick: bytes pushed one way through one blocking socket from a buffer that is already
 * filled, with nothing done to them at either end; one byte comes back at the end.
 */
final class SocketCopy {
  private static final int CHUNK_BYTES = 256 << 10;

  private final SocketChannel channel;
  private final ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK_BYTES);

  SocketCopy(SocketChannel channel) {
    this.channel = channel;
  }

  /** Sends and waits for the receipt. */
  void send(long bytes) throws IOException {
    for (long left = bytes; left > 0; ) {
      chunk.clear().limit((int) Math.min(left, CHUNK_BYTES));
      while (chunk.hasRemaining()) {
        left -= channel.write(chunk);
      }
    }
    read(1);
  }

  /** Receives and sends the receipt. */
  void receive(long bytes) throws IOException {
    for (long left = bytes; left > 0; ) {
      left -= read((int) Math.min(left, CHUNK_BYTES));
    }
    chunk.clear().limit(1);
    channel.write(chunk);
  }

  private int read(int most) throws IOException {
    chunk.clear().limit(most);
    int count = channel.read(chunk);
    if (count < 0) {
      throw new EOFException("the other process of the benchmark is gone");
    }
    return count;
  }
}
