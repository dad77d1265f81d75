package dev.sparrow.tensor;

/** The upper half of a float's bits, as 16-bit floats are stored. */
public final class Bfloat16 {
  private Bfloat16() {}

  /** Rounds to the nearest, ties to even; NaN stays NaN. */
  public static short bits(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (short) (bits >>> 16 | 0x40);
    }
    return (short) (bits + 0x7FFF + (bits >>> 16 & 1) >>> 16);
  }

  public static float value(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }
}
