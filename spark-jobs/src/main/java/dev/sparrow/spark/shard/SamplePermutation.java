package dev.sparrow.spark.shard;

/**
 * A pseudo-random permutation of {@code [0, size)} that gives any position's image without a table:
 * a balanced Feistel network over the next power of four, walked along its cycle until it falls
 * inside (Black and Rogaway 2002, "Ciphers with Arbitrary Finite Domains"). The round function is
 * the finaliser of SplitMix64. Immutable.
 */
final class SamplePermutation {
  private static final int ROUNDS = 6;
  private static final long GOLDEN = 0x9E3779B97F4A7C15L;

  /** Below 2^8 values a six-round network shuffles poorly; walking from there costs nothing. */
  private static final int LEAST_HALF_BITS = 4;

  private final long size;
  private final int halfBits;
  private final long halfMask;
  private final long[] keys = new long[ROUNDS];

  SamplePermutation(long size, long seed, long epoch) {
    int bits = 64 - Long.numberOfLeadingZeros(Math.max(1, size - 1));
    this.size = size;
    this.halfBits = Math.max(LEAST_HALF_BITS, (bits + 1) / 2);
    this.halfMask = (1L << halfBits) - 1;
    long state = mix(seed) + mix(epoch + GOLDEN);
    for (int round = 0; round < ROUNDS; round++) {
      state += GOLDEN;
      keys[round] = mix(state);
    }
  }

  /** Image of an index in [0, size); at most four steps are expected above 256 values. */
  long at(long index) {
    long value = index;
    do {
      value = encrypt(value);
    } while (value >= size);
    return value;
  }

  private long encrypt(long value) {
    long left = value >>> halfBits;
    long right = value & halfMask;
    for (long key : keys) {
      long next = left ^ (mix(right ^ key) & halfMask);
      left = right;
      right = next;
    }
    return left << halfBits | right;
  }

  private static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
