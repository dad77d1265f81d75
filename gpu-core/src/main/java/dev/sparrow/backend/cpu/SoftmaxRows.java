package dev.sparrow.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** The passes of a softmax over one row. NaN anywhere in a row makes all of it NaN. */
final class SoftmaxRows {
  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  /** Elements summed before they are added to the total, so that long rows keep their digits. */
  private static final int BLOCK = 64 * LANES;

  private SoftmaxRows() {}

  /** The largest element; NaN where one is NaN, negative infinity for none. */
  static float max(float[] x, int xo, int n) {
    int whole = Lanes.whole(n);
    FloatVector top = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
    for (int i = 0; i < whole; i += LANES) {
      top = top.max(FloatVector.fromArray(F, x, xo + i));
    }
    float max = top.reduceLanes(VectorOperators.MAX);
    for (int i = whole; i < n; i++) {
      max = Math.max(max, x[xo + i]);
    }
    return max;
  }

  /** {@code Σ exp(x - max)}. */
  static float sumExp(float[] x, int xo, float max, int n) {
    int whole = Lanes.whole(n);
    FloatVector total = FloatVector.zero(F);
    for (int block = 0; block < whole; block += BLOCK) {
      int end = Math.min(whole, block + BLOCK);
      FloatVector sum = FloatVector.zero(F);
      for (int i = block; i < end; i += LANES) {
        sum = sum.add(VectorMath.exp(FloatVector.fromArray(F, x, xo + i).sub(max)));
      }
      total = total.add(sum);
    }
    float sum = Lanes.sum(total);
    for (int i = whole; i < n; i++) {
      sum += VectorMath.exp(x[xo + i] - max);
    }
    return sum;
  }

  /** {@code y = exp(x - max)} and its sum; y may be x. */
  static float exp(float[] x, int xo, float max, float[] y, int yo, int n) {
    int whole = Lanes.whole(n);
    FloatVector total = FloatVector.zero(F);
    for (int block = 0; block < whole; block += BLOCK) {
      int end = Math.min(whole, block + BLOCK);
      FloatVector sum = FloatVector.zero(F);
      for (int i = block; i < end; i += LANES) {
        FloatVector e = VectorMath.exp(FloatVector.fromArray(F, x, xo + i).sub(max));
        e.intoArray(y, yo + i);
        sum = sum.add(e);
      }
      total = total.add(sum);
    }
    float sum = Lanes.sum(total);
    for (int i = whole; i < n; i++) {
      float e = VectorMath.exp(x[xo + i] - max);
      y[yo + i] = e;
      sum += e;
    }
    return sum;
  }
}
