package dev.sparrow.backend;

/** Rounding to bfloat16: the upper half of a float's bits, 8 of its 24 significant bits. */
public final class Bf16 {
  /**
   * Unit roundoff: the relative error of one rounding is at most this. Neighbours in [1, 2) are
   * 2^-7 apart, so that the nearest is within 2^-8, and above 1 that is a smaller share.
   */
  static final double UNIT = 0x1p-8;

  private Bf16() {}

  /** The nearest bf16, ties to the even one; NaN stays NaN, and past the largest is infinity. */
  public static float round(float value) {
    if (Float.isNaN(value)) {
      return value;
    }
    int bits = Float.floatToRawIntBits(value);
    int even = bits >>> 16 & 1;
    return Float.intBitsToFloat(bits + 0x7fff + even & 0xffff0000);
  }
}
