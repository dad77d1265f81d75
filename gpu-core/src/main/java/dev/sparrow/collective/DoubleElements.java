package dev.sparrow.collective;

import java.nio.ByteBuffer;
import java.nio.DoubleBuffer;

/** {@link Elements} of a double[]. */
final class DoubleElements implements Elements {
  /**
   * Elements summed at a time: small enough that the two scratch arrays stay in first-level cache.
   */
  private static final int BLOCK = 2048;

  private final double[] array;
  private final int offset;
  private final int length;
  private double[] arrived;
  private double[] sums;

  DoubleElements(double[] array, int offset, int length) {
    this.array = array;
    this.offset = offset;
    this.length = length;
  }

  @Override
  public String type() {
    return "F64";
  }

  @Override
  public int unit() {
    return Double.BYTES;
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
    to.asDoubleBuffer().put(array, offset + at, count);
    to.position(to.position() + count * Double.BYTES);
  }

  @Override
  public void set(int at, int count, ByteBuffer from) {
    from.asDoubleBuffer().get(array, offset + at, count);
    from.position(from.position() + count * Double.BYTES);
  }

  @Override
  public void add(int at, int count, ByteBuffer from) {
    if (arrived == null) {
      arrived = new double[BLOCK];
      sums = new double[BLOCK];
    }
    DoubleBuffer values = from.asDoubleBuffer();
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
  private static void add(double[] values, double[] to, int count) {
    for (int i = 0; i < count; i++) {
      to[i] += values[i];
    }
  }
}
