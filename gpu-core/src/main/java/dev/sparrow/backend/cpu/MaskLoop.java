package dev.sparrow.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Zeros off a mask of bits. Each lane shifts its bit of a word to the sign and spreads it over 32
 * bits: integers alone, because masks of lanes cost far more where the machine has no registers for
 * them.
 */
final class MaskLoop {
  private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;

  /** Bits behind which a lane's own one lies. */
  private static final IntVector TO_SIGN = IntVector.zero(INTS).addIndex(-1).add(Integer.SIZE - 1);

  private MaskLoop() {}

  /**
   * @param first element, a multiple of 32
   */
  static void run(int[] bits, int b0, float[] w, int w0, int first, int count) {
    int whole = Lanes.COUNT <= Integer.SIZE ? count / Integer.SIZE : 0;
    for (int word = 0; word < whole; word++) {
      int at = first + word * Integer.SIZE;
      word(bits[b0 + at / Integer.SIZE], w, w0 + at);
    }
    for (int i = first + whole * Integer.SIZE; i < first + count; i++) {
      if ((bits[b0 + i / Integer.SIZE] >>> i % Integer.SIZE & 1) == 0) {
        w[w0 + i] = 0;
      }
    }
  }

  private static void word(int bits, float[] w, int at) {
    for (int lane = 0; lane < Integer.SIZE; lane += Lanes.COUNT) {
      IntVector keep =
          IntVector.broadcast(INTS, bits >>> lane)
              .lanewise(VectorOperators.LSHL, TO_SIGN)
              .lanewise(VectorOperators.ASHR, Integer.SIZE - 1);
      FloatVector.fromArray(Lanes.FLOATS, w, at + lane)
          .reinterpretAsInts()
          .and(keep)
          .reinterpretAsFloats()
          .intoArray(w, at + lane);
    }
  }
}
