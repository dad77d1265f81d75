package dev.sparrow.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * The vector width of this machine, and sums over lanes in an order that is written down.
 *
 * <p>{@code reduceLanes(ADD)} on floats may add in any order, and interpreted and compiled code do
 * so differently; {@link #sum} always folds halves.
 */
final class Lanes {
  /**
   * Widest float vectors of the machine; a constant, or the compiler boxes every vector. No code
   * uses another float species: see {@link DoubleSums}.
   */
  static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;

  /** Floats in a vector, a power of two. */
  static final int COUNT = FLOATS.length();

  private static final VectorShuffle<Float> BY_32 = exchange(32);
  private static final VectorShuffle<Float> BY_16 = exchange(16);

  /** Lanes change places with those 8 away; {@link #BY_4} and the others likewise. */
  static final VectorShuffle<Float> BY_8 = exchange(8);

  static final VectorShuffle<Float> BY_4 = exchange(4);
  static final VectorShuffle<Float> BY_2 = exchange(2);
  static final VectorShuffle<Float> BY_1 = exchange(1);

  /** Lanes whose number has the bit 8; {@link #BIT_4} and the others likewise. */
  static final VectorMask<Float> BIT_8 = bit(8);

  static final VectorMask<Float> BIT_4 = bit(4);
  static final VectorMask<Float> BIT_2 = bit(2);
  static final VectorMask<Float> BIT_1 = bit(1);

  private Lanes() {}

  private static VectorShuffle<Float> exchange(int distance) {
    return VectorShuffle.fromOp(FLOATS, lane -> (lane ^ distance) & (COUNT - 1));
  }

  private static VectorMask<Float> bit(int bit) {
    boolean[] lanes = new boolean[COUNT];
    for (int lane = 0; lane < COUNT; lane++) {
      lanes[lane] = (lane & bit) != 0;
    }
    return VectorMask.fromArray(FLOATS, lanes, 0);
  }

  /** The largest multiple of the vector width within {@code length}. */
  static int whole(int length) {
    return length & -COUNT;
  }

  /** Sum of the lanes: halves onto each other until one is left. */
  static float sum(FloatVector v) {
    if (COUNT > 32) {
      v = v.add(v.rearrange(BY_32));
    }
    if (COUNT > 16) {
      v = v.add(v.rearrange(BY_16));
    }
    if (COUNT > 8) {
      v = v.add(v.rearrange(BY_8));
    }
    if (COUNT > 4) {
      v = v.add(v.rearrange(BY_4));
    }
    if (COUNT > 2) {
      v = v.add(v.rearrange(BY_2));
    }
    if (COUNT > 1) {
      v = v.add(v.rearrange(BY_1));
    }
    return v.lane(0);
  }
}
