package dev.sparrow.collective;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** The dialler's first message: what it believes about the ring. */
record Hello(int rank, int size, int attempt, boolean encrypt, byte[] nonce, String jobId) {
  static final int FIXED_BYTES = 4 + 4 + 4 + 4 + 4 + 1 + Handshake.NONCE_BYTES;

  static Hello of(Membership self, byte[] nonce) {
    return new Hello(self.rank(), self.size(), self.attempt(), self.encrypt(), nonce, self.jobId());
  }

  byte[] bytes() {
    byte[] job = jobId.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(FIXED_BYTES + job.length)
        .putInt(Handshake.MAGIC)
        .putInt(Handshake.VERSION)
        .putInt(rank)
        .putInt(size)
        .putInt(attempt)
        .put((byte) (encrypt ? 1 : 0))
        .put(nonce)
        .put(job)
        .array();
  }

  /** Null where the bytes are no greeting of this version. */
  static Hello read(ByteBuffer from) {
    if (from.remaining() < FIXED_BYTES
        || from.getInt() != Handshake.MAGIC
        || from.getInt() != Handshake.VERSION) {
      return null;
    }
    int rank = from.getInt();
    int size = from.getInt();
    int attempt = from.getInt();
    boolean encrypt = from.get() != 0;
    byte[] nonce = new byte[Handshake.NONCE_BYTES];
    from.get(nonce);
    String jobId = StandardCharsets.UTF_8.decode(from).toString();
    return new Hello(rank, size, attempt, encrypt, nonce, jobId);
  }

  /** What keeps the sender from being the left neighbour of {@code self}; empty where nothing. */
  String conflictWith(Membership self) {
    StringBuilder conflict = new StringBuilder();
    compare(conflict, "job", self.jobId(), jobId);
    compare(conflict, "attempt", self.attempt(), attempt);
    compare(conflict, "world size", self.size(), size);
    compare(conflict, "rank", self.left(), rank);
    compare(conflict, "encryption", self.encrypt(), encrypt);
    return conflict.toString();
  }

  private static void compare(StringBuilder to, String what, Object expected, Object got) {
    if (!expected.equals(got)) {
      to.append(to.isEmpty() ? "" : "; ");
      to.append(what).append(": expected ").append(expected).append(", got ").append(got);
    }
  }
}
