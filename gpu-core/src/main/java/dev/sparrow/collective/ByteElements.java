package dev.sparrow.collective;

import java.nio.ByteBuffer;

/** {@link Elements} of a whole byte[]; bytes travel, they are never summed. */
final class ByteElements implements Elements {
  private final byte[] array;

  ByteElements(byte[] array) {
    this.array = array;
  }

  @Override
  public String type() {
    return "U8";
  }

  @Override
  public int unit() {
    return 1;
  }

  @Override
  public Object array() {
    return array;
  }

  @Override
  public int offset() {
    return 0;
  }

  @Override
  public int length() {
    return array.length;
  }

  @Override
  public void write(int at, int count, ByteBuffer to) {
    to.put(array, at, count);
  }

  @Override
  public void set(int at, int count, ByteBuffer from) {
    from.get(array, at, count);
  }

  @Override
  public void add(int at, int count, ByteBuffer from) {
    throw new UnsupportedOperationException("add: expected F32, F64 or I32, got U8");
  }
}
