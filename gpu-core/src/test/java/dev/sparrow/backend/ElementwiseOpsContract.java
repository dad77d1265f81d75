package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparrow.backend.Comparison.Pair;
import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What every backend's copies, fills and sums must do; one rounding is 6e-8, two 1.2e-7. */
abstract class ElementwiseOpsContract {
  private static final long SEED = 701;
  private static final double TWO_ROUNDINGS = 0x1p-22;

  protected abstract Backend open();

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 15, 16, 17, 63, 64, 65, 127, 128, 129, 70001})
  void everySizeEqualsTheOracle(int size) {
    try (Comparison c = new Comparison(open(), SEED + size, "size " + size)) {
      Pair a = c.normal(size);
      Pair x = c.normal(size);
      Pair filled = c.poisoned(size);
      Pair copied = c.poisoned(size);
      Pair sum = c.poisoned(size);
      Pair axpy = c.normal(size);
      Pair scaled = c.poisoned(size);
      c.run(
          (b, at) -> {
            ElementwiseOps ops = b.elementwise();
            ops.fill(at.of(filled), 1.5);
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
  }

  @Test
  void resultsMayOverwriteInputs() {
    try (Comparison c = new Comparison(open(), SEED, "in place")) {
      Pair a = c.normal(67);
      Pair left = c.normal(67);
      Pair right = c.normal(67);
      Pair scaled = c.normal(67);
      Pair dropped = c.normal(67);
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
    try (Comparison c = new Comparison(open(), SEED, "(3, 4) and (2, 6)")) {
      Pair a = c.normal(3, 4);
      Pair out = c.poisoned(2, 6);
      c.run((b, at) -> b.elementwise().copy(at.of(a), at.of(out)));
      c.checkExact("out", out);
    }
  }

  @Test
  void integersAreCopied() {
    try (Comparison c = new Comparison(open(), SEED, "integers")) {
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
    String what = "size %d, p %s, counter %d".formatted(size, p, counter);
    try (Comparison c = new Comparison(open(), SEED, what)) {
      Pair x = c.normal(size);
      Pair out = c.poisoned(size);
      c.run((b, at) -> b.elementwise().dropout(at.of(x), p, Draws.from(key, counter), at.of(out)));
      c.check("out", out, 0, TWO_ROUNDINGS);
    }
  }

  /** Two halves with their own counters give what one call gives. */
  @Test
  void dropoutFollowsTheElementNotTheCall() {
    RandomKey key = new RandomKey(3, 4);
    try (Backend b = open()) {
      Tensor x = b.allocate(101);
      Tensor whole = b.allocate(101);
      Tensor parts = b.allocate(101);
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
    try (Comparison c = new Comparison(open(), SEED, "squared norm of " + size)) {
      Pair x = c.normal(size);
      double[] norms = new double[2];
      int[] side = {0};
      c.run((b, at) -> norms[side[0]++] = b.elementwise().squaredNormSync(at.of(x)));
      c.check("squared norm", norms[1], norms[0], 0, 1e-12);
    }
  }

  @Test
  void wrongSizesAreRefused() {
    try (Backend b = open()) {
      Tensor x = b.allocate(4);
      Tensor wrong = b.allocate(5);
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
