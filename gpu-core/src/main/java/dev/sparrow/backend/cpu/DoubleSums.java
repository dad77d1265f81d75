package dev.sparrow.backend.cpu;

import java.util.Arrays;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * Sums of floats in double. Chunks of a fixed size are summed lane by lane, each lane of each chunk
 * is one partial sum, and the partial sums are added in order.
 */
final class DoubleSums {
  private static final VectorSpecies<Double> D = DoubleVector.SPECIES_PREFERRED;
  private static final int LANES = D.length();

  /** As many floats as a double vector has lanes, so that one conversion fills it. */
  private static final VectorSpecies<Float> HALF =
      VectorSpecies.of(float.class, VectorShape.forBitSize(D.vectorBitSize() / 2));

  private static final int GRAIN = 1 << 16;

  private final CpuPool pool;
  private double[] partials = new double[LANES];

  DoubleSums(CpuPool pool) {
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
    int whole = n & -LANES;
    DoubleVector sum = DoubleVector.zero(D);
    for (int i = 0; i < whole; i += LANES) {
      sum = sum.add(load(x, offset + i));
    }
    sum.intoArray(out, slot);
    for (int i = whole; i < n; i++) {
      out[slot] += x[offset + i];
    }
  }

  private static void squaresChunk(float[] x, int offset, int n, double[] out, int slot) {
    int whole = n & -LANES;
    DoubleVector sum = DoubleVector.zero(D);
    for (int i = 0; i < whole; i += LANES) {
      DoubleVector v = load(x, offset + i);
      sum = v.fma(v, sum);
    }
    sum.intoArray(out, slot);
    for (int i = whole; i < n; i++) {
      double v = x[offset + i];
      out[slot] = Math.fma(v, v, out[slot]);
    }
  }

  private static DoubleVector load(float[] x, int at) {
    return (DoubleVector)
        FloatVector.fromArray(HALF, x, at).convertShape(VectorOperators.F2D, D, 0);
  }
}
