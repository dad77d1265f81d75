package dev.sparrow.collective;

import java.nio.ByteBuffer;
import java.nio.IntBuffer;

/** {@link Elements} of a int[]. */
final class IntElements implements Elements {
  /**
   * Elements summed at a time: small enough that the two scratch arrays stay in first-level cache.
   */
  private static final int BLOCK = 2048;

  private final int[] array;
  private final int offset;
  private final int length;
  private int[] arrived;
  private int[] sums;

  IntElements(int[] array, int offset, int length) {
    this.array = array;
    this.offset = offset;
    this.length = length;
  }

  @Override
  public String type() {
    return "I32";
  }

  @Override
  public int unit() {
    return Integer.BYTES;
  }

  @Override
  public Object array() {
    return array;
  }

  @Override
  public int offset() {
    return offset;
  }

  @Override
  public int length() {
    return length;
  }

  @Override
  public void write(int at, int count, ByteBuffer to) {
    to.asIntBuffer().put(array, offset + at, count);
    to.position(to.position() + count * Integer.BYTES);
  }

  @Override
  public void set(int at, int count, ByteBuffer from) {
    from.asIntBuffer().get(array, offset + at, count);
    from.position(from.position() + count * Integer.BYTES);
  }

  @Override
  public void add(int at, int count, ByteBuffer from) {
    if (arrived == null) {
      arrived = new int[BLOCK];
      sums = new int[BLOCK];
    }
    IntBuffer values = from.asIntBuffer();
    for (int done = 0; done < count; done += BLOCK) {
      int block = Math.min(BLOCK, count - done);
      values.get(arrived, 0, block);
      System.arraycopy(array, offset + at + done, sums, 0, block);
      add(arrived, sums, block);
      System.arraycopy(sums, 0, array, offset + at + done, block);
    }
    from.position(from.position() + count * unit());
  }

  /** One index into both arrays: with an offset between them JDK 17 to 24 do not vectorise. */
  private static void add(int[] values, int[] to, int count) {
    for (int i = 0; i < count; i++) {
      to[i] += values[i];
    }
  }
}
