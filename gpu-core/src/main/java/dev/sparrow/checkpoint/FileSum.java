package dev.sparrow.checkpoint;

import java.io.IOException;
import java.io.InputStream;
import java.util.zip.CRC32C;

/** Size and CRC32C (RFC 3720, appendix B.4) of a file. */
public record FileSum(long bytes, long crc32c) {
  /** Of all that is left in a stream. */
  static FileSum of(InputStream in) throws IOException {
    CRC32C crc = new CRC32C();
    byte[] chunk = new byte[1 << 16];
    long bytes = 0;
    for (int got = in.read(chunk); got >= 0; got = in.read(chunk)) {
      crc.update(chunk, 0, got);
      bytes += got;
    }
    return new FileSum(bytes, crc.getValue());
  }

  static FileSum of(byte[] content) {
    CRC32C crc = new CRC32C();
    crc.update(content, 0, content.length);
    return new FileSum(content.length, crc.getValue());
  }

  /** The content of {@code _COMPLETE}. */
  String text() {
    return bytes + " " + Long.toHexString(crc32c) + "\n";
  }
}
