package dev.sparrow.backend;

/**
 * How an optimizer treats each part of a parameter vector: segment s ends before element {@code
 * ends[s]}, the first starts at 0; weight decay applies to it or does not, and the learning rate is
 * multiplied by its factor, that of AdamW's decay aside. Made once and kept: a device holds its own
 * copy as long as the backend is open.
 */
public final class UpdateSegments {
  private final long[] ends;
  private final boolean[] decays;
  private final float[] rates;

  /**
   * @param ends ascending; the last is the size of the vector
   * @param decays whether each segment decays
   * @param rates what each segment's learning rate is multiplied by, > 0
   */
  public UpdateSegments(long[] ends, boolean[] decays, float[] rates) {
    boolean alike = ends.length == decays.length && ends.length == rates.length;
    if (ends.length < 1 || !alike || !ascend(ends)) {
      throw new IllegalArgumentException(
          "segments: expected ascending ends >= 0, one flag and one rate each, got %d ends, %d flags and %d rates"
              .formatted(ends.length, decays.length, rates.length));
    }
    for (float rate : rates) {
      if (!(rate > 0 && rate < Float.POSITIVE_INFINITY)) {
        throw new IllegalArgumentException(
            "segments: expected finite factors of the learning rate > 0, got " + rate);
      }
    }
    this.ends = ends.clone();
    this.decays = decays.clone();
    this.rates = rates.clone();
  }

  /** One segment over the whole vector, at the plain learning rate. */
  public static UpdateSegments whole(long size, boolean decays) {
    return new UpdateSegments(new long[] {size}, new boolean[] {decays}, new float[] {1});
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

  /** What the learning rate is multiplied by. */
  public float rate(int segment) {
    return rates[segment];
  }

  /** Elements of the vector. */
  public long size() {
    return ends[ends.length - 1];
  }
}
