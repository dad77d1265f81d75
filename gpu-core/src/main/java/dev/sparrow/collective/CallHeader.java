package dev.sparrow.collective;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * What a rank is about to do, sent ahead of its data so that ranks out of step notice.
 *
 * @param call number of the call since the ring was opened
 * @param length elements of the whole tensor
 * @param root the root of a broadcast, else 0
 */
record CallHeader(long call, Op op, String type, long length, int root) {
  static final int BYTES = 8 + 4 + 4 + 8 + 4;
  private static final int TYPE_BYTES = 4;

  /** The operations that a ring runs. */
  enum Op {
    ALL_REDUCE("allReduce"),
    REDUCE_SCATTER("reduceScatter"),
    ALL_GATHER("allGather"),
    ALL_TO_ALL("allToAll"),
    BROADCAST("broadcast"),
    BARRIER("barrier");

    private final String text;

    Op(String text) {
      this.text = text;
    }
  }

  void write(ByteBuffer to) {
    byte[] name = new byte[TYPE_BYTES];
    byte[] given = type.getBytes(StandardCharsets.US_ASCII);
    System.arraycopy(given, 0, name, 0, given.length);
    to.putLong(call).putInt(op.ordinal()).put(name).putLong(length).putInt(root);
  }

  /** Null where the bytes are no header. */
  static CallHeader read(ByteBuffer from) {
    if (from.remaining() != BYTES) {
      return null;
    }
    long call = from.getLong();
    int op = from.getInt();
    byte[] name = new byte[TYPE_BYTES];
    from.get(name);
    String type = new String(name, StandardCharsets.US_ASCII).trim();
    Op[] ops = Op.values();
    return op < 0 || op >= ops.length
        ? null
        : new CallHeader(call, ops[op], type, from.getLong(), from.getInt());
  }

  /** Such as {@code call 17, allReduce of 1024 F32}. */
  @Override
  public String toString() {
    String text = "call " + call + ", " + op.text;
    if (op == Op.BARRIER) {
      return text;
    }
    text += " of " + length + " " + type;
    return op == Op.BROADCAST ? text + " from rank " + root : text;
  }
}
