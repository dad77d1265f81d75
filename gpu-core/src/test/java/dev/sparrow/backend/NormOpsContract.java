package dev.sparrow.backend;

import static dev.sparrow.backend.Comparison.Type.FLOAT;

import dev.sparrow.backend.Comparison.Pair;
import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What every backend's norms must do. Normalised values are near 1 and come from a handful of
 * operations on fixed-order sums: 1e-5 absolute and relative; column sums are held to {@link
 * Comparison#sumOf} the rows besides.
 *
 * <p>Statistics and parameters' gradients are in the float type, all else in the compute type. In
 * bf16 that adds the rounding of y and dx and no more: backward reads x and fp32 statistics, which
 * are the same on both sides, and never the rounded y.
 */
abstract class NormOpsContract extends Contract {
  private static final long SEED = 201;
  private static final double EPSILON = 1e-5;
  private static final double TOLERANCE = 1e-5;

  @ParameterizedTest
  @CsvSource({
    "1, 1",
    "1, 768",
    "3, 5",
    "15, 16",
    "16, 15",
    "7, 17",
    "5, 63",
    "63, 64",
    "9, 65",
    "127, 31",
    "128, 127",
    "129, 129",
    "64, 384"
  })
  void layerNormEqualsTheOracle(int rows, int columns) {
    skipWhereSlow(Cost.passes(20, rows * columns));
    try (Comparison c = comparison(rows, columns)) {
      Pair x = c.normal(rows, columns);
      Pair weight = c.normal(columns);
      Pair bias = c.normal(columns);
      Pair y = c.poisoned(rows, columns);
      Pair plain = c.poisoned(rows, columns);
      Pair mean = c.poisoned(FLOAT, rows);
      Pair rstd = c.poisoned(FLOAT, rows);
      Pair dy = c.normal(rows, columns);
      Pair dx = c.poisoned(rows, columns);
      Pair added = c.normal(rows, columns);
      Pair dweight = c.normal(FLOAT, columns);
      Pair dbias = c.normal(FLOAT, columns);
      Pair second = c.normal(FLOAT, columns);
      c.run(
          (b, at) -> {
            NormOps ops = b.norm();
            Tensor w = at.of(weight);
            Tensor m = at.of(mean);
            Tensor r = at.of(rstd);
            ops.layerNorm(at.of(x), w, null, EPSILON, at.of(plain), m, r);
            ops.layerNorm(at.of(x), w, at.of(bias), EPSILON, at.of(y), m, r);
            ops.layerNormBackward(
                at.of(dy), at.of(x), w, m, r, false, at.of(dx), at.of(dweight), at.of(dbias));
            ops.layerNormBackward(
                at.of(dy), at.of(x), w, m, r, true, at.of(added), at.of(second), null);
          });
      c.check("mean", mean, TOLERANCE, TOLERANCE);
      c.check("rstd", rstd, TOLERANCE, TOLERANCE);
      c.check("y", y, TOLERANCE, TOLERANCE);
      c.check("y without bias", plain, TOLERANCE, TOLERANCE);
      c.check("dx", dx, TOLERANCE, TOLERANCE);
      c.check("dx accumulated", added, TOLERANCE, TOLERANCE);
      c.check("dweight", dweight, TOLERANCE + Comparison.sumOf(rows), TOLERANCE);
      c.check("dweight without bias", second, TOLERANCE + Comparison.sumOf(rows), TOLERANCE);
      c.check("dbias", dbias, Comparison.sumOf(rows), TOLERANCE);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1",
    "1, 768",
    "3, 5",
    "15, 16",
    "16, 15",
    "7, 17",
    "5, 63",
    "63, 64",
    "9, 65",
    "127, 31",
    "128, 127",
    "129, 129",
    "64, 384"
  })
  void rmsNormEqualsTheOracle(int rows, int columns) {
    skipWhereSlow(Cost.passes(15, rows * columns));
    try (Comparison c = comparison(rows, columns)) {
      Pair x = c.normal(rows, columns);
      Pair weight = c.normal(columns);
      Pair y = c.poisoned(rows, columns);
      Pair rstd = c.poisoned(FLOAT, rows);
      Pair dy = c.normal(rows, columns);
      Pair dx = c.poisoned(rows, columns);
      Pair added = c.normal(rows, columns);
      Pair dweight = c.normal(FLOAT, columns);
      c.run(
          (b, at) -> {
            NormOps ops = b.norm();
            Tensor w = at.of(weight);
            Tensor r = at.of(rstd);
            ops.rmsNorm(at.of(x), w, EPSILON, at.of(y), r);
            ops.rmsNormBackward(at.of(dy), at.of(x), w, r, false, at.of(dx), at.of(dweight));
            ops.rmsNormBackward(at.of(dy), at.of(x), w, r, true, at.of(added), at.of(dweight));
          });
      c.check("rstd", rstd, TOLERANCE, TOLERANCE);
      c.check("y", y, TOLERANCE, TOLERANCE);
      c.check("dx", dx, TOLERANCE, TOLERANCE);
      c.check("dx accumulated", added, TOLERANCE, TOLERANCE);
      c.check("dweight", dweight, TOLERANCE + 2 * Comparison.sumOf(rows), TOLERANCE);
    }
  }

  /**
   * At mean 100 an fp32 value is off by 4e-6 and the mean by about as much: 5e-5 for values near 1.
   * The one-pass variance E[x²] - E[x]² would be off by 1e4·u = 6e-4 and more. In bf16 the values
   * are multiples of 1/2, the same on both sides, and y is rounded besides.
   */
  @Test
  void largeMeanDoesNotDrownTheVariance() {
    int columns = 129;
    try (Comparison c = comparison(4, columns)) {
      Pair x = c.uniform(99, 101, 4, columns);
      Pair weight = c.uniform(1, 1, columns);
      Pair y = c.poisoned(4, columns);
      Pair mean = c.poisoned(FLOAT, 4);
      Pair rstd = c.poisoned(FLOAT, 4);
      c.run(
          (b, at) ->
              b.norm()
                  .layerNorm(
                      at.of(x), at.of(weight), null, EPSILON, at.of(y), at.of(mean), at.of(rstd)));
      c.check("rstd", rstd, 0, 5e-5);
      c.check("y", y, 5e-5, 5e-5);
    }
  }

  @Test
  void repeatedCallsGiveTheSameBits() {
    try (Comparison c = comparison(129, 65)) {
      Pair x = c.normal(129, 65);
      Pair weight = c.normal(65);
      Pair y = c.poisoned(129, 65);
      Pair rstd = c.poisoned(FLOAT, 129);
      Pair dx = c.poisoned(129, 65);
      Pair dweight = c.normal(FLOAT, 65);
      c.checkRepeatable(
          (b, at) -> {
            Tensor r = at.of(rstd);
            b.norm().rmsNorm(at.of(x), at.of(weight), EPSILON, at.of(y), r);
            b.norm()
                .rmsNormBackward(
                    at.of(x), at.of(x), at.of(weight), r, false, at.of(dx), at.of(dweight));
          });
    }
  }

  @Test
  void wrongShapesAreRefusedByName() {
    try (Backend b = open()) {
      NormOps ops = b.norm();
      Tensor x = compute(b, 4, 3);
      Tensor w = compute(b, 3);
      Tensor r = b.allocate(4);
      Tensor dw = b.allocate(3);
      Tensor wrong = compute(b, 7);
      Tensor wrongFloats = b.allocate(7);
      Comparison.assertShapeError("weight", () -> ops.rmsNorm(x, wrong, EPSILON, x, r));
      Comparison.assertShapeError("rstd", () -> ops.rmsNorm(x, w, EPSILON, x, wrongFloats));
      Comparison.assertShapeError("y", () -> ops.rmsNorm(x, w, EPSILON, wrong, r));
      Comparison.assertShapeError("bias", () -> ops.layerNorm(x, w, wrong, EPSILON, x, r, r));
      Comparison.assertShapeError("mean", () -> ops.layerNorm(x, w, w, EPSILON, x, wrongFloats, r));
      Comparison.assertShapeError(
          "dweight", () -> ops.rmsNormBackward(x, x, w, r, false, x, wrongFloats));
      Comparison.assertShapeError("dy", () -> ops.rmsNormBackward(wrong, x, w, r, false, x, dw));
    }
  }

  private Comparison comparison(int rows, int columns) {
    return compare(SEED + rows, "rows %d, columns %d".formatted(rows, columns));
  }
}
