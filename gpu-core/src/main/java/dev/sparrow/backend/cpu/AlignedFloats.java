package dev.sparrow.backend.cpu;

/**
 * Arrays whose vectors start at a cache line where the collector lets them: the array is large
 * enough for G1 to place it at the start of a region, where it stays, and what is used begins past
 * its header. Loads that straddle two lines took 1.5 times as long (AVX-512, sparse rows).
 */
final class AlignedFloats {
  /** First element to use: the array's header has 16 bytes, a cache line 64. */
  static final int START = 12;

  /** 16 MiB: half of G1's largest region, from where an object has regions of its own. */
  private static final int LEAST_FLOATS = 1 << 22;

  private AlignedFloats() {}

  /** The array held, or a larger one, with {@code floats} elements from {@link #START}. */
  static float[] atLeast(float[] held, long floats) {
    if (held.length >= START + floats) {
      return held;
    }
    return new float[Math.toIntExact(Math.max(LEAST_FLOATS, START + floats))];
  }
}
