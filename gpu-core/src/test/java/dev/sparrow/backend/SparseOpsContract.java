package dev.sparrow.backend;

import static dev.sparrow.backend.Comparison.Type.FLOAT;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Comparison.Pair;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What every backend's uniformly sparse products must do: sums of a row's non-zeros, of a column's,
 * or of the batch, held to {@link Comparison#sumOf} their terms. Values are in the compute type,
 * their gradients in the float type.
 */
abstract class SparseOpsContract extends Contract {
  private static final long SEED = 701;

  /** Formats: single rows, banks, shared by 2, 4, 8 and 64, some rows off; the batch at edges. */
  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, 1, 1, 1, 0",
    "3, 5, 7, 1, 1, 5, 0",
    "2, 5, 7, 5, 1, 5, 0",
    "1, 64, 33, 7, 1, 64, 0",
    "7, 33, 48, 3, 1, 33, 0",
    "15, 40, 24, 9, 1, 40, 3",
    "33, 40, 24, 39, 1, 40, 0",
    "64, 96, 130, 10, 1, 96, 0",
    "65, 96, 65, 10, 1, 96, 2",
    "130, 70, 40, 20, 1, 70, 0",
    "257, 33, 20, 5, 1, 33, 4",
    "17, 256, 70, 3, 1, 128, 0",
    "70, 384, 12, 1, 1, 128, 5",
    "67, 300, 200, 150, 1, 300, 7",
    "4, 256, 140, 40, 2, 128, 0",
    "1, 48, 8, 5, 4, 48, 0",
    "5, 48, 12, 5, 2, 48, 3",
    "31, 48, 64, 6, 4, 48, 0",
    "66, 48, 132, 48, 4, 48, 4",
    "130, 300, 24, 290, 8, 300, 0",
    "80, 128, 64, 16, 16, 64, 0",
    "40, 96, 128, 9, 64, 96, 2",
    "33, 600, 96, 60, 16, 600, 3",
    "20, 520, 192, 50, 64, 520, 2",
    "3, 2100, 8, 40, 4, 2100, 0",
    "1100, 40, 24, 9, 1, 40, 3",
    "900, 60, 16, 20, 4, 60, 0",
    "70, 1100, 20, 60, 1, 1100, 0"
  })
  void productsEqualTheOracle(
      int rows, int in, int out, int perBank, int groupRows, int bankColumns, int offEvery) {
    UniformPattern pattern =
        SparsePatterns.random(SEED, out, in, perBank, groupRows, bankColumns, offEvery);
    skipWhereSlow(Cost.products(6, rows, out, in));
    String what = "rows %d, in %d, out %d, %s".formatted(rows, in, out, pattern);
    try (Comparison c = compare(SEED + rows, what)) {
      Pair x = c.normal(rows, in);
      Pair values = c.normal(pattern.liveRows(), pattern.fanIn());
      Pair bias = c.normal(out);
      Pair dy = c.normal(rows, out);
      Pair y = c.poisoned(rows, out);
      Pair plain = c.poisoned(rows, out);
      Pair added = c.normal(rows, out);
      Pair residual = c.normal(rows, out);
      Pair h = c.poisoned(rows, out);
      Pair a = c.poisoned(rows, out);
      Pair dh = c.poisoned(rows, in);
      Pair dx = c.poisoned(rows, in);
      Pair dxAdded = c.normal(rows, in);
      Pair dvalues = c.normal(FLOAT, pattern.liveRows(), pattern.fanIn());
      Pair dbias = c.normal(FLOAT, out);
      c.run(
          (b, at) -> {
            try (SparsePattern p = b.sparse().load(pattern)) {
              SparseOps ops = b.sparse();
              ops.forward(at.of(x), at.of(values), p, at.of(bias), null, at.of(y));
              ops.forward(at.of(x), at.of(values), p, null, at.of(residual), at.of(plain));
              ops.forward(at.of(x), at.of(values), p, at.of(bias), at.of(added), at.of(added));
              ops.activatedForward(
                  Activation.GELU, at.of(x), at.of(values), p, at.of(bias), at.of(h), at.of(a));
              ops.activatedBackwardInput(
                  Activation.GELU, at.of(dy), at.of(values), p, at.of(x), at.of(dh));
              ops.backwardInput(at.of(dy), at.of(values), p, false, at.of(dx));
              ops.backwardInput(at.of(dy), at.of(values), p, true, at.of(dxAdded));
              ops.backwardWeight(at.of(dy), at.of(x), p, at.of(dvalues), at.of(dbias));
            }
          });
      int k = pattern.fanIn();
      c.check("y", y, Comparison.sumOf(k), Comparison.FEW_ROUNDINGS);
      c.check("h", h, Comparison.sumOf(k), Comparison.FEW_ROUNDINGS);
      c.check("f(h)", a, Comparison.sumOf(k), Comparison.FEW_ROUNDINGS);
      c.check("dh", dh, Comparison.sumOf(out), Comparison.FEW_ROUNDINGS);
      c.check("y with residual", plain, Comparison.sumOf(k), Comparison.FEW_ROUNDINGS);
      c.check("y accumulated", added, Comparison.sumOf(k), Comparison.FEW_ROUNDINGS);
      c.check("dx", dx, Comparison.sumOf(out), Comparison.FEW_ROUNDINGS);
      c.check("dx accumulated", dxAdded, Comparison.sumOf(out), Comparison.FEW_ROUNDINGS);
      c.check("dvalues", dvalues, Comparison.sumOf(rows), Comparison.FEW_ROUNDINGS);
      c.check("dbias", dbias, Comparison.sumOf(rows), Comparison.FEW_ROUNDINGS);
    }
  }

  @ParameterizedTest
  @CsvSource({"5, 7, 3, 1, 5, 0", "48, 40, 7, 1, 40, 3", "64, 256, 3, 4, 128, 2"})
  void valuesGoToTheirPlacesAndBack(
      int out, int in, int perBank, int groupRows, int bankColumns, int offEvery) {
    int bank = Math.min(bankColumns, in);
    UniformPattern pattern =
        SparsePatterns.random(SEED, out, in / bank * bank, perBank, groupRows, bank, offEvery);
    try (Comparison c = compare(SEED, pattern.toString())) {
      Pair values = c.normal(pattern.liveRows(), pattern.fanIn());
      Pair w = c.poisoned(pattern.rows(), pattern.columns());
      Pair dw = c.normal(FLOAT, pattern.rows(), pattern.columns());
      Pair dvalues = c.normal(FLOAT, pattern.liveRows(), pattern.fanIn());
      c.run(
          (b, at) -> {
            try (SparsePattern p = b.sparse().load(pattern)) {
              b.sparse().expand(at.of(values), p, at.of(w));
              b.sparse().sample(at.of(dw), p, at.of(dvalues));
            }
          });
      c.check("w", w, 0, 0);
      c.check("dvalues", dvalues, Comparison.sumOf(1), Comparison.FEW_ROUNDINGS);
    }
  }

  /** Words whole and cut, more than one task of them; what goes is gone even where it is NaN. */
  @ParameterizedTest
  @CsvSource({"1, 1, 1", "3, 5, 2", "8, 32, 32", "33, 31, 7", "40, 64, 9", "300, 257, 20"})
  void aMaskLeavesThePatternsPlacesAlone(int out, int in, int fanIn) {
    UniformPattern pattern = SparsePatterns.plain(SEED, out, in, fanIn);
    int[] bits = SparsePatterns.maskWords(pattern);
    try (Comparison c = compare(SEED, pattern.toString())) {
      Pair mask = c.ints(bits, bits.length);
      Pair w = c.normal(FLOAT, out, in);
      Pair poisoned = c.poisoned(FLOAT, out, in);
      c.run(
          (b, at) -> {
            b.sparse().mask(at.of(mask), at.of(w));
            b.sparse().mask(at.of(mask), at.of(poisoned));
          });
      c.checkExact("w", w);
      c.checkExact("poisoned w", poisoned);
    }
  }

  @Test
  void anEmptyBatchAddsNothing() {
    UniformPattern pattern = SparsePatterns.plain(SEED, 6, 5, 2);
    try (Comparison c = compare(SEED, "no rows")) {
      Pair x = c.normal(0, 5);
      Pair dy = c.normal(0, 6);
      Pair dvalues = c.normal(FLOAT, 6, 2);
      Pair dbias = c.normal(FLOAT, 6);
      c.run(
          (b, at) -> {
            try (SparsePattern p = b.sparse().load(pattern)) {
              b.sparse().backwardWeight(at.of(dy), at.of(x), p, at.of(dvalues), at.of(dbias));
            }
          });
      c.check("dvalues", dvalues, 0, 0);
      c.check("dbias", dbias, 0, 0);
    }
  }

  @Test
  void wrongSizesAreRefused() {
    UniformPattern pattern = SparsePatterns.plain(SEED, 6, 5, 2);
    try (Backend b = open();
        SparsePattern p = b.sparse().load(pattern)) {
      var values = compute(b, 6, 2);
      var x = compute(b, 4, 5);
      var y = compute(b, 4, 6);
      refused("x", () -> b.sparse().forward(y, values, p, null, null, y));
      refused("y", () -> b.sparse().forward(x, values, p, null, null, x));
      refused("values", () -> b.sparse().forward(x, compute(b, 6, 3), p, null, null, y));
      refused("dy", () -> b.sparse().backwardInput(x, values, p, false, x));
      refused("dx", () -> b.sparse().backwardInput(y, values, p, false, y));
      refused("w", () -> b.sparse().expand(values, p, compute(b, 5, 6)));
      refused("bits", () -> b.sparse().mask(b.allocate(DType.I32, Shape.of(2)), b.allocate(6, 5)));
    }
  }

  private static void refused(String what, org.junit.jupiter.api.function.Executable op) {
    String message = assertThrows(IllegalArgumentException.class, op).getMessage();
    assertTrue(message.startsWith(what + ": expected"), message);
  }
}
