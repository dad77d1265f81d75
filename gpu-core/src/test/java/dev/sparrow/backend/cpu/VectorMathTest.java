package dev.sparrow.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.function.DoubleUnaryOperator;
import java.util.function.UnaryOperator;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;

/** Errors in units of the last place of the exact value, over a sweep of each function's range. */
class VectorMathTest {
  private static final int STEPS = 200_000;

  @Test
  void expIsWithinOneUlpUntilItUnderflows() {
    assertUlps(VectorMath::exp, StrictMath::exp, -87.3, 88, 1);
  }

  @Test
  void expHasItsLimits() {
    float[] x = {
      Float.NEGATIVE_INFINITY, -Float.MAX_VALUE, -87.4f, -0f, 0, Float.MIN_VALUE, Float.NaN
    };
    float[] expected = {0, 0, 0, 1, 1, 1, Float.NaN};
    for (int i = 0; i < x.length; i++) {
      assertEquals(expected[i], first(VectorMath::exp, x[i]), "exp " + x[i]);
    }
  }

  @Test
  void scalarExpHasTheBitsOfALane() {
    for (int bits = Integer.MIN_VALUE; bits < Integer.MAX_VALUE - 40_009; bits += 40_009) {
      float x = Float.intBitsToFloat(bits);
      if (x > 88) {
        continue;
      }
      assertEquals(first(VectorMath::exp, x), VectorMath.exp(x), "exp " + x);
    }
  }

  @Test
  void sigmoidIsWithinThreeUlp() {
    assertUlps(VectorMath::sigmoid, x -> 1 / (1 + StrictMath.exp(-x)), -87, 90, 3);
    assertEquals(0f, first(VectorMath::sigmoid, Float.NEGATIVE_INFINITY));
    assertEquals(1f, first(VectorMath::sigmoid, Float.POSITIVE_INFINITY));
    assertEquals(Float.NaN, first(VectorMath::sigmoid, Float.NaN));
  }

  @Test
  void normalCdfIsAccurateAndHasItsLimits() {
    UnaryOperator<FloatVector> cdf = x -> VectorMath.normalCdf(x, VectorMath.gauss(x));
    // The rounding of x²/2, up to x²/4 ulp, passes through exp; hence a bound that grows with x².
    assertUlps(cdf, VectorMathTest::normalCdf, -1, 6, 6);
    assertUlps(cdf, VectorMathTest::normalCdf, -5, -1, 20);
    assertUlps(cdf, VectorMathTest::normalCdf, -12, -5, 80);
    assertEquals(0.5f, first(cdf, 0));
    assertEquals(0f, first(cdf, Float.NEGATIVE_INFINITY));
    assertEquals(1f, first(cdf, Float.POSITIVE_INFINITY));
    assertEquals(Float.NaN, first(cdf, Float.NaN));
  }

  private static float first(UnaryOperator<FloatVector> f, float x) {
    return f.apply(FloatVector.broadcast(Lanes.FLOATS, x)).lane(0);
  }

  private static void assertUlps(
      UnaryOperator<FloatVector> f, DoubleUnaryOperator exact, double from, double to, double max) {
    float[] x = new float[Lanes.COUNT];
    float[] y = new float[Lanes.COUNT];
    double worst = 0;
    float where = 0;
    for (int i = 0; i < STEPS; i += Lanes.COUNT) {
      for (int j = 0; j < Lanes.COUNT; j++) {
        x[j] = (float) (from + (to - from) * (i + j) / STEPS);
      }
      f.apply(FloatVector.fromArray(Lanes.FLOATS, x, 0)).intoArray(y, 0);
      for (int j = 0; j < Lanes.COUNT; j++) {
        double expected = exact.applyAsDouble(x[j]);
        double ulps = Math.abs(y[j] - expected) / Math.ulp((float) expected);
        if (!(ulps <= worst)) {
          worst = ulps;
          where = x[j];
        }
      }
    }
    assertTrue(worst <= max, "expected " + max + " ulp, got " + worst + " at " + where);
  }

  /**
   * Φ by the alternating-free series of its inner part (Marsaglia 2004) and, far out, by Laplace's
   * continued fraction of the tail.
   */
  static double normalCdf(double x) {
    double density = StrictMath.exp(-x * x / 2) / StrictMath.sqrt(2 * StrictMath.PI);
    double a = Math.abs(x);
    if (a < 3) {
      double term = a;
      double sum = a;
      for (int i = 3; term > 1e-18 * sum; i += 2) {
        term *= a * a / i;
        sum += term;
      }
      return x < 0 ? 0.5 - sum * density : 0.5 + sum * density;
    }
    double fraction = a;
    for (int i = 200; i > 0; i--) {
      fraction = a + i / fraction;
    }
    return x < 0 ? density / fraction : 1 - density / fraction;
  }
}
