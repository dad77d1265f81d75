package dev.sparrow.backend;

/**
 * Philox4x32-10, a counter-based generator (Salmon et al. 2011, "Parallel random numbers: as easy
 * as 1, 2, 3"). A draw is a pure function of a {@link RandomKey} and its index: no state, any
 * order, any number of threads.
 *
 * <p>The 64-bit key of the generator is the seed. Its 128-bit counter is the block number (low
 * words) and the stream (high words), so that two different (seed, stream, block) never share an
 * input. Draw {@code i} is word {@code i mod 4} of block {@code i div 4}.
 */
public final class Philox {
  /** Multiplier of counter word 0. */
  public static final int MULTIPLIER_0 = 0xD2511F53;

  /** Multiplier of counter word 2. */
  public static final int MULTIPLIER_1 = 0xCD9E8D57;

  /** Added to key word 0 after each round: the golden ratio. */
  public static final int WEYL_0 = 0x9E3779B9;

  /** Added to key word 1 after each round: sqrt(3) - 1. */
  public static final int WEYL_1 = 0xBB67AE85;

  /** Rounds of the cipher. */
  public static final int ROUNDS = 10;

  private static final long LOW = 0xFFFFFFFFL;
  private static final float UNIT_24 = 0x1p-24f;
  private static final double UNIT_32 = 0x1p-32;

  private Philox() {}

  /** Draw {@code index} as a float in [0, 1), a multiple of 2^-24. */
  public static float uniform(RandomKey key, long index) {
    return uniform(word(key, index));
  }

  /** A word's upper 24 bits as a float in [0, 1). */
  public static float uniform(int word) {
    return (word >>> 8) * UNIT_24;
  }

  /** Draws index to index + count - 1, each as {@link #uniform(RandomKey, long)} gives it. */
  public static void uniforms(RandomKey key, long index, float[] out, int offset, int count) {
    int[] block = new int[4];
    int i = 0;
    while (i < count) {
      long draw = index + i;
      block(key, draw >>> 2, block);
      for (int lane = (int) (draw & 3); lane < 4 && i < count; lane++, i++) {
        out[offset + i] = uniform(block[lane]);
      }
    }
  }

  /**
   * A standard normal by Box and Muller (1958) from the pair of draws that holds {@code index}: the
   * even one takes the cosine, the odd one the sine. In double with StrictMath, so that the bits
   * are the same on every Java; no larger than 6.67 in magnitude, since a draw has 32 bits.
   */
  public static float normal(RandomKey key, long index) {
    long even = index & ~1L;
    int[] block = new int[4];
    block(key, index >>> 2, block);
    int lane = (int) (even & 3);
    return normal(block[lane], block[lane + 1], (index & 1) == 0);
  }

  /** Normals index to index + count - 1, each as {@link #normal(RandomKey, long)} gives it. */
  public static void normals(RandomKey key, long index, float[] out, int offset, int count) {
    int[] block = new int[4];
    int i = 0;
    while (i < count) {
      long draw = index + i;
      block(key, draw >>> 2, block);
      for (int lane = (int) (draw & 3); lane < 4 && i < count; lane++, i++) {
        int even = lane & 2;
        out[offset + i] = normal(block[even], block[even + 1], (lane & 1) == 0);
      }
    }
  }

  private static float normal(int first, int second, boolean cosine) {
    double u = ((first & LOW) + 1) * UNIT_32; // (0, 1], so that the logarithm is finite
    double angle = 2 * StrictMath.PI * ((second & LOW) * UNIT_32);
    double radius = StrictMath.sqrt(-2 * StrictMath.log(u));
    return (float) (radius * (cosine ? StrictMath.cos(angle) : StrictMath.sin(angle)));
  }

  /** The 32 random bits of draw {@code index}. */
  public static int word(RandomKey key, long index) {
    int[] block = new int[4];
    block(key, index >>> 2, block);
    return block[(int) (index & 3)];
  }

  /**
   * Draws 4·number to 4·number + 3 of a key.
   *
   * @param out receives 4 words
   */
  public static void block(RandomKey key, long number, int[] out) {
    long seed = key.seed();
    long stream = key.stream();
    cipher(
        (int) seed,
        (int) (seed >>> 32),
        (int) number,
        (int) (number >>> 32),
        (int) stream,
        (int) (stream >>> 32),
        out);
  }

  /** The bare cipher: ten rounds over counter words c0 to c3 with key words k0 and k1. */
  static void cipher(int k0, int k1, int c0, int c1, int c2, int c3, int[] out) {
    for (int round = 0; round < ROUNDS; round++) {
      long product0 = (c0 & LOW) * (MULTIPLIER_0 & LOW);
      long product1 = (c2 & LOW) * (MULTIPLIER_1 & LOW);
      c0 = (int) (product1 >>> 32) ^ c1 ^ k0;
      c1 = (int) product1;
      c2 = (int) (product0 >>> 32) ^ c3 ^ k1;
      c3 = (int) product0;
      k0 += WEYL_0;
      k1 += WEYL_1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
  }
}
