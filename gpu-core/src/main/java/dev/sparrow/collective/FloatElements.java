package dev.sparrow.collective;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;

/** {@link Elements} of a float[]. */
final class FloatElements implements Elements {
  /**
   * Elements summed at a time: small enough that the two scratch arrays stay in first-level cache.
   */
  private static final int BLOCK = 2048;

  private final float[] array;
  private final int offset;
  private final int length;
  private float[] arrived;
  private float[] sums;

  FloatElements(float[] array, int offset, int length) {
    this.array = array;
    this.offset = offset;
    this.length = length;
  }

  @Override
  public String type() {
    return "F32";
  }

  @Override
  public int unit() {
    return Float.BYTES;
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
    to.asFloatBuffer().put(array, offset + at, count);
    to.position(to.position() + count * Float.BYTES);
  }

  @Override
  public void set(int at, int count, ByteBuffer from) {
    from.asFloatBuffer().get(array, offset + at, count);
    from.position(from.position() + count * Float.BYTES);
  }

  @Override
  public void add(int at, int count, ByteBuffer from) {
    if (arrived == null) {
      arrived = new float[BLOCK];
      sums = new float[BLOCK];
    }
    FloatBuffer values = from.asFloatBuffer();
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
  private static void add(float[] values, float[] to, int count) {
    for (int i = 0; i < count; i++) {
      to[i] += values[i];
    }
  }
}
