package dev.sparrow.backend.cpu;

import dev.sparrow.backend.HostPool;
import java.util.Arrays;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Sums of floats in double. Chunks of a fixed size are summed lane by lane, each lane of each chunk
 * is one partial sum, and the partial sums are added in order.
 */
final class DoubleSums {
  private static final VectorSpecies<Double> D = DoubleVector.SPECIES_PREFERRED;
  private static final int LANES = D.length();

  private static final int GRAIN = 1 << 16;

  private final HostPool pool;
  private double[] partials = new double[LANES];

  DoubleSums(HostPool pool) {
    this.pool = pool;
  }

  /** {@code Σ x}. */
  double sum(float[] x, int offset, int n) {
    double[] slots = slots(n);
    pool.ranges(n, GRAIN, (from, to) -> sumChunk(x, offset + from, to - from, slots, slot(from)));
    return total(slots, n);
  }

  /** {@code Σ x²}. */
  double squares(float[] x, int offset, int n) {
    double[] slots = slots(n);
    pool.ranges(
        n, GRAIN, (from, to) -> squaresChunk(x, offset + from, to - from, slots, slot(from)));
    return total(slots, n);
  }

  private static int slot(int from) {
    return from / GRAIN * LANES;
  }

  private static int used(int n) {
    return (n / GRAIN + 1) * LANES;
  }

  private double[] slots(int n) {
    if (partials.length < used(n)) {
      partials = new double[used(n)];
    }
    Arrays.fill(partials, 0, used(n), 0);
    return partials;
  }

  private static double total(double[] slots, int n) {
    double total = 0;
    for (int i = 0; i < used(n); i++) {
      total += slots[i];
    }
    return total;
  }

  private static void sumChunk(float[] x, int offset, int n, double[] out, int slot) {
    int pairs = n & -2 * LANES;
    DoubleVector sum = DoubleVector.zero(D);
    for (int i = 0; i < pairs; i += 2 * LANES) {
      FloatVector v = FloatVector.fromArray(Lanes.FLOATS, x, offset + i);
      sum = sum.add(half(v, 0)).add(half(v, 1));
    }
    sum.intoArray(out, slot);
    for (int i = pairs; i < n; i++) {
      out[slot + lane(i, n)] += x[offset + i];
    }
  }

  private static void squaresChunk(float[] x, int offset, int n, double[] out, int slot) {
    int pairs = n & -2 * LANES;
    DoubleVector sum = DoubleVector.zero(D);
    for (int i = 0; i < pairs; i += 2 * LANES) {
      FloatVector v = FloatVector.fromArray(Lanes.FLOATS, x, offset + i);
      DoubleVector low = half(v, 0);
      DoubleVector high = half(v, 1);
      sum = high.fma(high, low.fma(low, sum));
    }
    sum.intoArray(out, slot);
    for (int i = pairs; i < n; i++) {
      double v = x[offset + i];
      int at = slot + lane(i, n);
      out[at] = Math.fma(v, v, out[at]);
    }
  }

  /**
   * Half of the floats as doubles. A float vector of half the width would be shorter to write, but
   * then methods of {@code FloatVector} would have met two classes, and the compiler would box the
   * vectors of every loop that it compiles from then on: seven times slower.
   */
  private static DoubleVector half(FloatVector v, int part) {
    return (DoubleVector) v.convertShape(VectorOperators.F2D, D, part);
  }

  /** Lane of an element behind the last pair of vectors; what fills no vector goes to the first. */
  private static int lane(int i, int n) {
    return i < (n & -LANES) ? i % LANES : 0;
  }
}
