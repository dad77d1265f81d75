package dev.sparrow.collective;

/**
 * How a ring behaves; the same on all ranks.
 *
 * @param openMillis limit on {@link RingEndpoint#connect}, the wait for late peers included
 * @param handshakeMillis limit on one handshake, from the first sign of the peer
 * @param inactivityMillis a call in which no byte moves for this long fails; longer than any pause
 *     that one rank makes alone, such as writing a checkpoint
 * @param chunkBytes payload of one frame: larger ones wake the peer less often
 * @param encrypt AES-256-GCM on every frame, at the cost of bandwidth; nothing goes through shared
 *     memory then
 * @param shareMemory neighbours on one machine pass elements through shared memory where both can
 *     reach it, which costs half of what sockets do
 */
public record RingSettings(
    long openMillis,
    long handshakeMillis,
    long inactivityMillis,
    int chunkBytes,
    boolean encrypt,
    boolean shareMemory) {
  /** The largest frame that a rank accepts, so that garbage cannot ask for much memory. */
  static final int MAX_CHUNK_BYTES = 8 << 20;

  public RingSettings {
    requirePositive("openMillis", openMillis);
    requirePositive("handshakeMillis", handshakeMillis);
    requirePositive("inactivityMillis", inactivityMillis);
    if (chunkBytes < 64 || chunkBytes > MAX_CHUNK_BYTES || chunkBytes % 8 != 0) {
      throw new IllegalArgumentException(
          "chunkBytes: expected a multiple of 8 from 64 to "
              + MAX_CHUNK_BYTES
              + ", got "
              + chunkBytes);
    }
  }

  /**
   * Open within 30 s, shake hands within 5 s, give up after 10 idle minutes, frames of 256 KiB, no
   * encryption, shared memory.
   */
  public static RingSettings defaults() {
    return new RingSettings(30_000, 5_000, 600_000, 256 << 10, false, true);
  }

  public RingSettings withOpenMillis(long millis) {
    return new RingSettings(
        millis, handshakeMillis, inactivityMillis, chunkBytes, encrypt, shareMemory);
  }

  public RingSettings withHandshakeMillis(long millis) {
    return new RingSettings(openMillis, millis, inactivityMillis, chunkBytes, encrypt, shareMemory);
  }

  public RingSettings withInactivityMillis(long millis) {
    return new RingSettings(openMillis, handshakeMillis, millis, chunkBytes, encrypt, shareMemory);
  }

  public RingSettings withChunkBytes(int bytes) {
    return new RingSettings(
        openMillis, handshakeMillis, inactivityMillis, bytes, encrypt, shareMemory);
  }

  public RingSettings withEncrypt(boolean wanted) {
    return new RingSettings(
        openMillis, handshakeMillis, inactivityMillis, chunkBytes, wanted, shareMemory);
  }

  public RingSettings withShareMemory(boolean wanted) {
    return new RingSettings(
        openMillis, handshakeMillis, inactivityMillis, chunkBytes, encrypt, wanted);
  }

  private static void requirePositive(String name, long value) {
    if (value < 1) {
      throw new IllegalArgumentException(name + ": expected at least 1, got " + value);
    }
  }
}
