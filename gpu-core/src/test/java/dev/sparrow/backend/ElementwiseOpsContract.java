package dev.sparrow.backend;

import static dev.sparrow.backend.Comparison.Type.FLOAT;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparrow.backend.Comparison.Pair;
import dev.sparrow.backend.Comparison.Type;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What every backend's copies, fills and sums must do, on tensors of either type; one rounding is
 * 6e-8, two 1.2e-7. In bf16 an element is computed in fp32 and rounded once.
 */
abstract class ElementwiseOpsContract extends Contract {
  private static final long SEED = 701;
  private static final double TWO_ROUNDINGS = 0x1p-22;

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 15, 16, 17, 63, 64, 65, 127, 128, 129, 70001})
  void everySizeEqualsTheOracle(int size) {
    skipWhereSlow(Cost.passes(2 * 12, size));
    for (Type type : Type.values()) {
      try (Comparison c = compare(SEED + size, type + " of size " + size)) {
        everyOp(c, type, size);
      }
    }
  }

  private static void everyOp(Comparison c, Type type, int size) {
    Pair a = c.normal(type, size);
    Pair x = c.normal(type, size);
    Pair filled = c.poisoned(type, size);
    Pair copied = c.poisoned(type, size);
    Pair sum = c.poisoned(type, size);
    Pair axpy = c.normal(type, size);
    Pair scaled = c.poisoned(type, size);
    c.run(
        (b, at) -> {
          ElementwiseOps ops = b.elementwise();
          ops.fill(at.of(filled), 0.1);
          ops.copy(at.of(a), at.of(copied));
          ops.add(at.of(a), at.of(x), at.of(sum));
          ops.axpy(-0.75, at.of(x), at.of(axpy));
          ops.scale(0.1, at.of(x), at.of(scaled));
        });
    c.checkExact("fill", filled);
    c.checkExact("copy", copied);
    c.check("add", sum, TWO_ROUNDINGS, TWO_ROUNDINGS);
    c.check("axpy", axpy, TWO_ROUNDINGS, TWO_ROUNDINGS);
    c.check("scale", scaled, TWO_ROUNDINGS, TWO_ROUNDINGS);
  }

  @ParameterizedTest
  @EnumSource
  void resultsMayOverwriteInputs(Type type) {
    try (Comparison c = compare(SEED, type + " in place")) {
      Pair a = c.normal(type, 67);
      Pair left = c.normal(type, 67);
      Pair right = c.normal(type, 67);
      Pair scaled = c.normal(type, 67);
      Pair dropped = c.normal(type, 67);
      c.run(
          (b, at) -> {
            ElementwiseOps ops = b.elementwise();
            ops.add(at.of(left), at.of(a), at.of(left));
            ops.add(at.of(a), at.of(right), at.of(right));
            ops.scale(-3, at.of(scaled), at.of(scaled));
            ops.dropout(at.of(dropped), 0.5, Draws.from(new RandomKey(1, 2), 3), at.of(dropped));
          });
      c.check("left", left, TWO_ROUNDINGS, TWO_ROUNDINGS);
      c.check("right", right, TWO_ROUNDINGS, TWO_ROUNDINGS);
      c.check("scaled", scaled, 0, TWO_ROUNDINGS);
      c.check("dropped", dropped, 0, TWO_ROUNDINGS);
    }
  }

  @Test
  void shapesMayDifferWhereSizesAgree() {
    try (Comparison c = compare(SEED, "(3, 4) and (2, 6)")) {
      Pair a = c.normal(3, 4);
      Pair out = c.poisoned(2, 6);
      c.run((b, at) -> b.elementwise().copy(at.of(a), at.of(out)));
      c.checkExact("out", out);
    }
  }

  /** Wide ones may lose bits and are rounded to nearest even, narrow ones are widened exactly. */
  @ParameterizedTest
  @ValueSource(ints = {1, 7, 16, 65, 129, 70001})
  void copiesConvertBetweenTheTypes(int size) {
    skipWhereSlow(Cost.passes(4, size));
    try (Comparison c = compare(SEED + size, "conversions of " + size)) {
      Pair wide = c.normal(FLOAT, size);
      Pair narrow = c.normal(size);
      Pair narrowed = c.poisoned(size);
      Pair widened = c.poisoned(FLOAT, size);
      c.run(
          (b, at) -> {
            b.elementwise().copy(at.of(wide), at.of(narrowed));
            b.elementwise().copy(at.of(narrow), at.of(widened));
          });
      c.checkExact("narrowed", narrowed);
      c.checkExact("widened", widened);
    }
  }

  /** The middles between neighbours in bf16 and what lies next to them, of either sign. */
  @Test
  void conversionsTakeTheEvenOfTwoNearest() {
    float[] values = new float[6 * 128];
    for (int i = 0; i < values.length; i++) {
      int middle = Float.floatToRawIntBits(1) + (i / 6 << 16) + 0x8000;
      values[i] = Float.intBitsToFloat(middle + i % 3 - 1) * (i % 6 < 3 ? 1 : -1);
    }
    try (Comparison c = compare(SEED, "ties")) {
      Pair wide = c.values(FLOAT, values, values.length);
      Pair narrowed = c.poisoned(values.length);
      c.run((b, at) -> b.elementwise().copy(at.of(wide), at.of(narrowed)));
      c.checkExact("narrowed", narrowed);
    }
  }

  @Test
  void integersAreCopied() {
    try (Comparison c = compare(SEED, "integers")) {
      Pair a = c.integers(-5, 1 << 30, 37);
      Pair out = c.integers(0, 1, 37);
      c.run((b, at) -> b.elementwise().copy(at.of(a), at.of(out)));
      c.checkInts("out", out);
    }
  }

  /** Counters off every block boundary and past 2^32: the same elements fall on every backend. */
  @ParameterizedTest
  @CsvSource({
    "1, 0.5, 0",
    "5, 0.1, 1",
    "16, 0.1, 2",
    "65, 0.9, 3",
    "131, 0.3, 5",
    "129, 0, 7",
    "64, 0.2, 4294967294",
    "77, 0.2, 8589934597",
    "40003, 0.1, 13"
  })
  void dropoutFollowsTheOraclesMask(int size, double p, long counter) {
    RandomKey key = new RandomKey(0x123456789abcdefL, 0xfedcba987654321L);
    Draws draws = Draws.from(key, counter);
    skipWhereSlow(Cost.passes(2 * 2, size));
    for (Type type : Type.values()) {
      String what = "%s of size %d, p %s, counter %d".formatted(type, size, p, counter);
      try (Comparison c = compare(SEED, what)) {
        Pair x = c.normal(type, size);
        Pair out = c.poisoned(type, size);
        c.run((b, at) -> b.elementwise().dropout(at.of(x), p, draws, at.of(out)));
        c.check("out", out, 0, TWO_ROUNDINGS);
      }
    }
  }

  /** Two halves with their own counters give what one call gives. */
  @ParameterizedTest
  @EnumSource
  void dropoutFollowsTheElementNotTheCall(Type type) {
    RandomKey key = new RandomKey(3, 4);
    try (Backend b = open()) {
      Tensor x = b.allocate(type.of(b), Shape.of(101));
      Tensor whole = b.allocate(type.of(b), Shape.of(101));
      Tensor parts = b.allocate(type.of(b), Shape.of(101));
      b.elementwise().fill(x, 1);
      b.elementwise().dropout(x, 0.4, Draws.from(key, 1000), whole);
      b.elementwise().dropout(x.slice(0, 37), 0.4, Draws.from(key, 1000), parts.slice(0, 37));
      b.elementwise().dropout(x.slice(37, 64), 0.4, Draws.from(key, 1037), parts.slice(37, 64));
      b.elementwise().axpy(-1, whole, parts);
      assertEquals(0, b.elementwise().squaredNormSync(parts));
    }
  }

  /** Summed in double: only the order of n additions differs, each of 1.1e-16. */
  @ParameterizedTest
  @ValueSource(ints = {1, 17, 129, 100003})
  void squaredNormIsInDouble(int size) {
    skipWhereSlow(Cost.passes(2, size));
    for (Type type : Type.values()) {
      try (Comparison c = compare(SEED, type + " squared norm of " + size)) {
        Pair x = c.normal(type, size);
        double[] norms = new double[2];
        double[] left = new double[2];
        int[] side = {0};
        c.run(
            (b, at) -> {
              Tensor total = b.allocate(DType.F64, Shape.of(1));
              b.elementwise().squaredNorm(at.of(x), total);
              b.downloadSync(total, left, side[0]);
              norms[side[0]++] = b.elementwise().squaredNormSync(at.of(x));
            });
        c.check("squared norm", norms[1], norms[0], 0, 1e-12);
        assertEquals(norms[0], left[0], "left on the device");
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void wrongSizesAreRefused(Type type) {
    try (Backend b = open()) {
      Tensor x = b.allocate(type.of(b), Shape.of(4));
      Tensor wrong = b.allocate(type.of(b), Shape.of(5));
      ElementwiseOps ops = b.elementwise();
      Comparison.assertShapeError("out", () -> ops.copy(x, wrong));
      Comparison.assertShapeError("b", () -> ops.add(x, wrong, x));
      Comparison.assertShapeError("out", () -> ops.add(x, x, wrong));
      Comparison.assertShapeError("out", () -> ops.axpy(1, x, wrong));
      Comparison.assertShapeError("out", () -> ops.scale(1, x, wrong));
      Comparison.assertShapeError(
          "out", () -> ops.dropout(x, 0.5, Draws.from(new RandomKey(1, 1), 0), wrong));
    }
  }
}
