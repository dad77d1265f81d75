package dev.sparrow.spark.shard;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.zip.CRC32C;

/** Writes to a stream, counting bytes and computing their CRC32C on the way. */
final class CrcChannel implements WritableByteChannel {
  private static final int CHUNK_BYTES = 64 << 10;

  private final OutputStream out;
  private final byte[] chunk = new byte[CHUNK_BYTES];
  private final CRC32C crc = new CRC32C();
  private long bytes;
  private boolean open = true;

  CrcChannel(OutputStream out) {
    this.out = out;
  }

  @Override
  public int write(ByteBuffer src) throws IOException {
    int total = src.remaining();
    while (src.hasRemaining()) {
      int count = Math.min(src.remaining(), chunk.length);
      src.get(chunk, 0, count);
      crc.update(chunk, 0, count);
      out.write(chunk, 0, count);
    }
    bytes += total;
    return total;
  }

  long bytes() {
    return bytes;
  }

  String crc32c() {
    return format(crc);
  }

  /** Eight lower-case hexadecimal digits. */
  static String format(CRC32C crc) {
    return String.format("%08x", crc.getValue());
  }

  @Override
  public boolean isOpen() {
    return open;
  }

  @Override
  public void close() throws IOException {
    open = false;
    out.close();
  }
}
