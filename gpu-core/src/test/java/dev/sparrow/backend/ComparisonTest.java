package dev.sparrow.backend;

import static dev.sparrow.backend.Comparison.Type.FLOAT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Comparison.Pair;
import dev.sparrow.backend.Comparison.Type;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What a comparison lets pass on a backend that computes in BF16, and what not. */
class ComparisonTest {
  private final Comparison c = new Comparison(new RoundingBackend(), false, 1, "a test");
  private float calls;

  @AfterEach
  void closeBoth() {
    c.close();
  }

  /** Around 1.004, bf16 has 1 and 1.0078: both are a rounding away, their next neighbours not. */
  @ParameterizedTest
  @CsvSource({"1, true", "0x1.02p0, true", "0x1.04p0, false", "0x1.fep-1, false"})
  void aBf16ResultMayBeOneRoundingOff(float result, boolean passes) {
    expect(Type.COMPUTE, 1.00390625, result, passes);
  }

  @ParameterizedTest
  @CsvSource({"1, true", "1.000001, true", "0x1.02p0, false"})
  void aFloatResultMayNot(float result, boolean passes) {
    expect(FLOAT, 1, result, passes);
  }

  private void expect(Type type, double expected, float result, boolean passes) {
    Pair y = c.poisoned(type, 1);
    c.run(
        (b, at) -> {
          if (b instanceof ReferenceBackend oracle) {
            oracle.upload(new double[] {expected}, 0, at.of(y));
          } else {
            b.upload(new float[] {result}, 0, at.of(y));
          }
        });
    if (passes) {
      c.check("y", y, 0, 1e-5);
    } else {
      assertThrows(AssertionError.class, () -> c.check("y", y, 0, 1e-5));
    }
  }

  @Test
  void bothSidesStartFromRoundedValues() {
    Pair x = c.values(new float[] {0x1.03p0f}, 1);
    Pair widened = c.poisoned(FLOAT, 1);
    c.run((b, at) -> b.elementwise().copy(at.of(x), at.of(widened)));
    c.check("widened", widened, 0, 0);
    assertEquals(0x1.04p0, Doubles.of(widened.reference()).get(0));
  }

  @Test
  void tensorsAreAlignedOrNot() {
    assertNotEquals(0, c.normal(5).tested().offset() % 2);
    try (Comparison other = new Comparison(new RoundingBackend(), true, 1, "aligned")) {
      assertEquals(0, other.normal(5).tested().offset() % 64);
    }
  }

  @ParameterizedTest
  @EnumSource
  void aWriteBesideATensorIsSeen(Type type) {
    Pair x = c.normal(type, 4);
    Tensor beside = new Tensor(x.tested().storage(), x.tested().offset() - 1, Shape.of(1));
    AssertionError error =
        assertThrows(
            AssertionError.class,
            () ->
                c.run(
                    (b, at) -> {
                      if (b instanceof RoundingBackend) {
                        b.elementwise().fill(beside, 1);
                      }
                    }));
    assertTrue(error.getMessage().contains("outside"), error.getMessage());
  }

  @ParameterizedTest
  @EnumSource
  void otherBitsTheSecondTimeAreSeen(Type type) {
    Pair x = c.normal(type, 4);
    assertThrows(
        AssertionError.class,
        () -> c.checkRepeatable((b, at) -> b.elementwise().fill(at.of(x), ++calls)));
    Pair ids = c.integers(0, 9, 4);
    assertThrows(
        AssertionError.class,
        () -> c.checkRepeatable((b, at) -> b.elementwise().fill(at.of(ids), ++calls)));
    c.checkRepeatable((b, at) -> b.elementwise().axpy(1, at.of(x), at.of(x)));
  }
}
