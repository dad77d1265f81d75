package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Rounding to bfloat16 against values worked out by hand. */
class Bf16Test {
  @ParameterizedTest
  @CsvSource({
    "1, 1",
    "0x1.02p0, 0x1.02p0",
    "0x1.01p0, 1", // a tie between 1 and its odd neighbour
    "0x1.03p0, 0x1.04p0",
    "0x1.010002p0, 0x1.02p0",
    "0x1.00fffep0, 1",
    "-0x1.03p0, -0x1.04p0",
    "0x1.ffp5, 64",
    "0x1p-133, 0x1p-133", // the smallest subnormal
    "0x1p-134, 0",
    "0x1.8p-134, 0x1p-133",
    "0x1.fep127, 0x1.fep127", // the largest
    "0x1.fefffep127, 0x1.fep127",
    "0x1.ffp127, Infinity",
    "-Infinity, -Infinity",
    "NaN, NaN"
  })
  void theNearestIsTakenAndTheEvenOfTwo(float value, float rounded) {
    assertEquals(rounded, Bf16.round(value));
  }

  @Test
  void noRoundingErrorIsPastTheUnit() {
    for (int bits = 0x3f800000; bits < 0x40000000; bits += 7) {
      float value = Float.intBitsToFloat(bits);
      double error = Math.abs(Bf16.round(value) - (double) value);
      assertEquals(0, error, Bf16.UNIT * value, "rounding " + value);
    }
  }
}
