package dev.sparrow.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Elementary functions on float vectors from fused multiply-adds alone, so that every Java and
 * every machine gives the same bits; the platform's own ({@code lanewise(EXP)}) differ between
 * releases. Polynomials are minimax fits made for these ranges. NaN gives NaN throughout.
 */
final class VectorMath {
  private static final VectorSpecies<Float> F = Lanes.FLOATS;

  private static final float LOG2_E = 1.44269504f;

  /** ln 2 in two parts; the first has 9 bits, so that its product with an exponent is exact. */
  private static final float LN2_HIGH = 0.693359375f;

  private static final float LN2_LOW = -2.12194440e-4f;

  /** Adding 1.5·2^23 rounds to an integer, which the low bits of the sum then hold. */
  private static final float ROUND = 0x1.8p23f;

  /** Below, exp is subnormal. */
  private static final float EXP_NORMAL = -87.3f;

  // exp(r) = 1 + r + r²·(E2 + E3·r + ...) for |r| <= ln(2)/2, to 4e-9
  private static final float E2 = 0.49999988f;
  private static final float E3 = 0.16666518f;
  private static final float E4 = 0.041669544f;
  private static final float E5 = 0.008368988f;
  private static final float E6 = 0.001375115f;

  // Φ(-a)·exp(a²/2) = T1·t + ... + T10·t^10 with t = 1/(1 + 0.3·a), to 4e-9 for a in [0, 14.5]
  private static final float T_SLOPE = 0.3f;
  private static final float T1 = 0.11968669295310974f;
  private static final float T2 = 0.11957181245088577f;
  private static final float T3 = 0.11023546755313873f;
  private static final float T4 = 0.07838944345712662f;
  private static final float T5 = 0.09615743905305862f;
  private static final float T6 = -0.07942463457584381f;
  private static final float T7 = 0.19178593158721924f;
  private static final float T8 = -0.22821465134620667f;
  private static final float T9 = 0.11243606358766556f;
  private static final float T10 = -0.020623551681637764f;

  private VectorMath() {}

  /**
   * {@code e^x} for x <= 88, within 1 ulp; 0 where the result would be subnormal, meaningless above
   * 88: a softmax subtracts its maximum and a sigmoid takes -|x|. Short enough for the compiler to
   * inline beside other work: past its node budget it boxes every vector.
   */
  static FloatVector exp(FloatVector x) {
    FloatVector rounded = x.fma(FloatVector.broadcast(F, LOG2_E), FloatVector.broadcast(F, ROUND));
    FloatVector n = rounded.sub(ROUND);
    FloatVector r = n.fma(FloatVector.broadcast(F, -LN2_HIGH), x);
    r = n.fma(FloatVector.broadcast(F, -LN2_LOW), r);
    FloatVector q = r.fma(FloatVector.broadcast(F, E6), FloatVector.broadcast(F, E5));
    q = q.fma(r, FloatVector.broadcast(F, E4));
    q = q.fma(r, FloatVector.broadcast(F, E3));
    q = q.fma(r, FloatVector.broadcast(F, E2));
    FloatVector e = q.fma(r.mul(r), r).add(1f);
    // The low bits of ROUND are 0, so the shift leaves n alone, ready for e's exponent.
    IntVector exponent = rounded.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
    return e.reinterpretAsInts()
        .add(exponent)
        .reinterpretAsFloats()
        .blend(0f, x.compare(VectorOperators.LT, EXP_NORMAL));
  }

  /** The same bits as a lane of {@link #exp(FloatVector)}. */
  static float exp(float x) {
    if (x < EXP_NORMAL) {
      return 0;
    }
    float rounded = Math.fma(x, LOG2_E, ROUND);
    float n = rounded - ROUND;
    float r = Math.fma(n, -LN2_LOW, Math.fma(n, -LN2_HIGH, x));
    float q = Math.fma(r, E6, E5);
    q = Math.fma(q, r, E4);
    q = Math.fma(q, r, E3);
    q = Math.fma(q, r, E2);
    float e = Math.fma(q, r * r, r) + 1f;
    return Float.intBitsToFloat(
        Float.floatToRawIntBits(e) + (Float.floatToRawIntBits(rounded) << 23));
  }

  /** {@code 1/(1 + e^-x)}, without overflow: within 3 ulp. */
  static FloatVector sigmoid(FloatVector x) {
    FloatVector e = exp(x.abs().neg());
    VectorMask<Float> negative = x.compare(VectorOperators.LT, 0f);
    return FloatVector.broadcast(F, 1f).blend(e, negative).div(e.add(1f));
  }

  /** {@code e^(-x²/2)}, which {@link #normalCdf} takes; 0 from |x| = 13.2 on. */
  static FloatVector gauss(FloatVector x) {
    return exp(x.mul(x).mul(-0.5f));
  }

  /**
   * The standard normal distribution function {@code Φ(x) = (1 + erf(x/√2))/2}, from the tail
   * {@code Φ(-|x|)} so that small values keep their relative accuracy: within 6 ulp for x >= -1;
   * below, the rounding of x² in {@link #gauss} adds up to x²/2 ulp.
   *
   * @param gauss {@link #gauss} of x: the caller needs it too, for the density
   */
  static FloatVector normalCdf(FloatVector x, FloatVector gauss) {
    FloatVector one = FloatVector.broadcast(F, 1f);
    FloatVector t = one.div(x.abs().fma(FloatVector.broadcast(F, T_SLOPE), one));
    FloatVector p = t.fma(FloatVector.broadcast(F, T10), FloatVector.broadcast(F, T9));
    p = p.fma(t, FloatVector.broadcast(F, T8));
    p = p.fma(t, FloatVector.broadcast(F, T7));
    p = p.fma(t, FloatVector.broadcast(F, T6));
    p = p.fma(t, FloatVector.broadcast(F, T5));
    p = p.fma(t, FloatVector.broadcast(F, T4));
    p = p.fma(t, FloatVector.broadcast(F, T3));
    p = p.fma(t, FloatVector.broadcast(F, T2));
    p = p.fma(t, FloatVector.broadcast(F, T1));
    FloatVector tail = p.mul(t).mul(gauss);
    return one.sub(tail).blend(tail, x.compare(VectorOperators.LT, 0f));
  }
}
