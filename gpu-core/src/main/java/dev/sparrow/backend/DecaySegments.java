package dev.sparrow.backend;

/**
 * Which elements of a parameter vector weight decay applies to: segment s ends before element
 * {@code ends[s]}, the first starts at 0. Made once and kept: a device holds its own copy as long
 * as the backend is open.
 */
public final class DecaySegments {
  private final long[] ends;
  private final boolean[] decays;

  /**
   * @param ends ascending; the last is the size of the vector
   * @param decays whether each segment decays
   */
  public DecaySegments(long[] ends, boolean[] decays) {
    if (ends.length < 1 || ends.length != decays.length || !ascend(ends)) {
      throw new IllegalArgumentException(
          "decay segments: expected ascending ends >= 0 and one flag each, got %d ends and %d flags"
              .formatted(ends.length, decays.length));
    }
    this.ends = ends.clone();
    this.decays = decays.clone();
  }

  /** One segment over the whole vector. */
  public static DecaySegments whole(long size, boolean decays) {
    return new DecaySegments(new long[] {size}, new boolean[] {decays});
  }

  private static boolean ascend(long[] ends) {
    long last = 0;
    for (long end : ends) {
      if (end < last) {
        return false;
      }
      last = end;
    }
    return true;
  }

  public int count() {
    return ends.length;
  }

  public long start(int segment) {
    return segment == 0 ? 0 : ends[segment - 1];
  }

  public long end(int segment) {
    return ends[segment];
  }

  public boolean decays(int segment) {
    return decays[segment];
  }

  /** Elements of the vector. */
  public long size() {
    return ends[ends.length - 1];
  }
}
