package dev.sparrow.backend.cuda;

/**
 * Block sizes of the caching allocator: multiples of 512 bytes up to 1 MiB, above that eight steps
 * to each doubling, and from 16 MiB on multiples of the 2 MiB pages that the driver maps anyway. So
 * rounding wastes less than an eighth, of large blocks less than a page, and small ones meet again
 * in few lists.
 */
final class SizeClasses {
  /** The driver's own alignment, which suits every vector load and the copy engine. */
  static final long GRANULE_BYTES = 512;

  private static final long FINE_BYTES = 1L << 20;
  private static final int STEPS_LOG2 = 3;
  private static final long PAGE_BYTES = 2L << 20;

  /** No device has more, and rounding stays far from overflow below it. */
  private static final long LARGEST_BYTES = 1L << 50;

  private SizeClasses() {}

  /** Bytes of the smallest class that holds {@code bytes}; zero bytes still get one granule. */
  static long roundUp(long bytes) {
    if (bytes < 0 || bytes > LARGEST_BYTES) {
      throw new IllegalArgumentException(
          "allocate: expected 0 to " + LARGEST_BYTES + " bytes, got " + bytes);
    }
    if (bytes <= FINE_BYTES) {
      return Math.max(GRANULE_BYTES, upTo(bytes, GRANULE_BYTES));
    }
    return upTo(bytes, Math.min(PAGE_BYTES, Long.highestOneBit(bytes - 1) >>> STEPS_LOG2));
  }

  private static long upTo(long bytes, long step) {
    return (bytes + step - 1) / step * step;
  }
}
