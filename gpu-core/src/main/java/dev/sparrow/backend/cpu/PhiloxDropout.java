package dev.sparrow.backend.cpu;

import dev.sparrow.backend.Philox;
import dev.sparrow.backend.RandomKey;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Inverted dropout over one run of floats; the mask is drawn on the way.
 *
 * <p>The vector form of {@link Philox} holds a block in two neighbouring 64-bit lanes of two
 * vectors: x has counter words 0 and 2, which a round multiplies, and y has words 1 and 3. A round
 * is then one product, one exchange of neighbours and two exclusive ors, and {@code x | y << 32}
 * has the four draws in order.
 */
final class PhiloxDropout {
  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final VectorSpecies<Long> L = LongVector.SPECIES_PREFERRED;

  /**
   * 64-bit products of vectors need AVX-512; without them Java 17 would box every vector, and the
   * scalar form, with the same bits, is the faster one.
   */
  private static final boolean VECTOR_PRODUCTS = L.vectorBitSize() == 512 && Lanes.COUNT == 16;

  private static final VectorShuffle<Long> NEIGHBOUR = VectorShuffle.fromOp(L, lane -> lane ^ 1);
  private static final long LOW = 0xFFFFFFFFL;

  private static final long[] INDEX = pairs(1, 1, true);
  private static final long[] EVEN = pairs(LOW, 0, false);
  private static final long[] FACTORS =
      pairs(Philox.MULTIPLIER_0 & LOW, Philox.MULTIPLIER_1 & LOW, false);

  private final RandomKey key;
  private final double p;
  private final float scale;

  /** The key words of each round, for one vector. */
  private final long[] roundKeys = new long[Philox.ROUNDS * L.length()];

  private final long[] streamLow;
  private final long[] streamHigh;

  PhiloxDropout(double p, RandomKey key) {
    this.key = key;
    this.p = p;
    this.scale = (float) (1 / (1 - p));
    this.streamLow = pairs(0, key.stream() & LOW, false);
    this.streamHigh = pairs(0, key.stream() >>> 32, false);
    for (int i = 0; i < roundKeys.length; i++) {
      int round = i / L.length();
      boolean second = (i & 1) == 1;
      long word = second ? key.seed() >>> 32 : key.seed();
      roundKeys[i] = word + (long) round * (second ? Philox.WEYL_1 : Philox.WEYL_0) & LOW;
    }
  }

  /** {@code out_i = x_i/(1-p)} where draw {@code counter + i} is at least p, else 0. */
  void apply(float[] x, int xo, long counter, float[] out, int oo, int n) {
    int head = 0;
    int whole = 0;
    if (VECTOR_PRODUCTS) {
      head = Math.min(n, (int) (-counter & 3)); // up to the first draw that starts a block
      whole = Lanes.whole(n - head);
      vectors(x, xo + head, counter + head >>> 2, out, oo + head, whole);
    }
    scalars(x, xo, counter, out, oo, head);
    int done = head + whole;
    scalars(x, xo + done, counter + done, out, oo + done, n - done);
  }

  private void scalars(float[] x, int xo, long counter, float[] out, int oo, int n) {
    int[] block = new int[4];
    int i = 0;
    while (i < n) {
      long draw = counter + i;
      Philox.block(key, draw >>> 2, block);
      for (int lane = (int) (draw & 3); lane < 4 && i < n; lane++, i++) {
        out[oo + i] = Philox.uniform(block[lane]) >= p ? x[xo + i] * scale : 0;
      }
    }
  }

  private void vectors(float[] x, int xo, long block, float[] out, int oo, int n) {
    long[] keys = roundKeys;
    LongVector numbers = LongVector.fromArray(L, INDEX, 0);
    LongVector even = LongVector.fromArray(L, EVEN, 0);
    LongVector factors = LongVector.fromArray(L, FACTORS, 0);
    LongVector low = LongVector.fromArray(L, streamLow, 0);
    LongVector high = LongVector.fromArray(L, streamHigh, 0);
    // A draw u = word >>> 8 is kept where u·2^-24 >= p, that is where last - u is negative.
    int last = (int) Math.ceil(p * 0x1p24) - 1;
    IntVector lasts = IntVector.broadcast(IntVector.SPECIES_512, last);
    for (int i = 0; i < n; i += Lanes.COUNT) {
      LongVector number = numbers.add(block + i / 4);
      LongVector a = number.and(even).or(low);
      LongVector b = number.lanewise(VectorOperators.LSHR, 32).and(even).or(high);
      for (int k = 0; k < keys.length; k += L.length()) {
        LongVector product = a.mul(factors).rearrange(NEIGHBOUR);
        a =
            product
                .lanewise(VectorOperators.LSHR, 32)
                .lanewise(VectorOperators.XOR, b)
                .lanewise(VectorOperators.XOR, LongVector.fromArray(L, keys, k));
        b = product.and(LOW);
      }
      IntVector words = a.or(b.lanewise(VectorOperators.LSHL, 32)).reinterpretAsInts();
      IntVector keep =
          lasts.sub(words.lanewise(VectorOperators.LSHR, 8)).lanewise(VectorOperators.ASHR, 31);
      FloatVector.fromArray(F, x, xo + i)
          .mul(scale)
          .reinterpretAsInts()
          .and(keep)
          .reinterpretAsFloats()
          .intoArray(out, oo + i);
    }
  }

  /** One vector's worth of (first, second), multiplied by the number of the pair if asked. */
  private static long[] pairs(long first, long second, boolean numbered) {
    long[] lanes = new long[L.length()];
    for (int i = 0; i < lanes.length; i++) {
      lanes[i] = ((i & 1) == 0 ? first : second) * (numbered ? i / 2 : 1);
    }
    return lanes;
  }
}
