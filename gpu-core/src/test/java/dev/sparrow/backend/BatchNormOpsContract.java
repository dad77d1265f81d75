package dev.sparrow.backend;

import static dev.sparrow.backend.Comparison.FEW_ROUNDINGS;
import static dev.sparrow.backend.Comparison.Type.FLOAT;

import dev.sparrow.backend.Comparison.Pair;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What every backend's batch normalisation must do. */
abstract class BatchNormOpsContract extends Contract {
  private static final long SEED = 823;
  private static final double EPSILON = 1e-5;
  private static final double MOMENTUM = 0.1;

  /** Rows and channels: one, odd, at vectors' edges, several blocks of rows. */
  @ParameterizedTest
  @CsvSource({
    "1, 1",
    "2, 3",
    "5, 7",
    "33, 8",
    "64, 16",
    "257, 17",
    "100, 64",
    "4097, 16",
    "3000, 33",
    "700, 130"
  })
  void statisticsEqualTheOracle(int rows, int channels) {
    skipWhereSlow(Cost.passes(3, (double) rows * channels));
    try (Comparison c = compare(SEED + rows, rows + " rows of " + channels)) {
      // Columns far from zero beside their spread lose digits in a plain sum of squares.
      float[] values = new RandomValues(SEED + rows).normal(rows * channels);
      for (int i = 0; i < values.length; i++) {
        values[i] = values[i] * (1 + i % channels % 3) + 20 * (i % channels % 5);
      }
      Pair x = c.values(values, rows, channels);
      Pair mean = c.poisoned(FLOAT, channels);
      Pair rstd = c.poisoned(FLOAT, channels);
      Pair runningMean = c.normal(FLOAT, channels);
      Pair runningVariance = c.uniform(FLOAT, 0.5, 2, channels);
      Comparison.Call call =
          (b, at) ->
              b.batchNorm()
                  .statistics(
                      at.of(x),
                      EPSILON,
                      MOMENTUM,
                      at.of(mean),
                      at.of(rstd),
                      at.of(runningMean),
                      at.of(runningVariance));
      c.run(call);
      double sum = Comparison.sumOf(4);
      c.check("mean", mean, 80 * sum, FEW_ROUNDINGS);
      // One row has no spread: rstd is that of epsilon.
      c.check("rstd", rstd, 4 * sum, FEW_ROUNDINGS);
      c.check("running mean", runningMean, 8 * sum, FEW_ROUNDINGS);
      c.check("running variance", runningVariance, 4 * sum, FEW_ROUNDINGS);
      c.checkRepeatable(call);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, false, false",
    "2, 3, true, true",
    "5, 7, false, true",
    "33, 8, true, false",
    "64, 16, true, true",
    "257, 17, false, true",
    "100, 64, true, true",
    "3000, 33, true, true",
    "4097, 16, false, true",
    "700, 130, true, true"
  })
  void outputsAndGradientsEqualTheOracle(
      int rows, int channels, boolean residual, boolean rectified) {
    skipWhereSlow(Cost.passes(8, (double) rows * channels));
    String what =
        "%d rows of %d, residual %s, rectified %s".formatted(rows, channels, residual, rectified);
    try (Comparison c = compare(SEED + rows, what)) {
      Pair x = c.normal(rows, channels);
      Pair mean = c.normal(FLOAT, channels);
      Pair rstd = c.uniform(FLOAT, 0.5, 2, channels);
      Pair weight = c.normal(channels);
      Pair bias = c.normal(channels);
      Pair shortcut = residual ? c.normal(rows, channels) : null;
      Pair y = c.poisoned(rows, channels);
      Pair dy = c.normal(rows, channels);
      Pair dx = c.poisoned(rows, channels);
      Pair dweight = c.normal(FLOAT, channels);
      Pair dbias = c.normal(FLOAT, channels);
      c.run(
          (b, at) ->
              b.batchNorm()
                  .apply(
                      at.of(x),
                      at.of(mean),
                      at.of(rstd),
                      at.of(weight),
                      at.of(bias),
                      at.of(shortcut),
                      rectified,
                      at.of(y)));
      c.check("y", y, 4 * Comparison.sumOf(4), FEW_ROUNDINGS);
      c.share(y);
      Comparison.Call backward =
          (b, at) ->
              b.batchNorm()
                  .backward(
                      at.of(dy),
                      rectified ? at.of(y) : null,
                      at.of(x),
                      at.of(mean),
                      at.of(rstd),
                      at.of(weight),
                      at.of(dx),
                      at.of(dweight),
                      at.of(dbias));
      c.run(backward);
      c.checkExact("dz", dy);
      c.check("dx", dx, 16 * Comparison.sumOf(16), FEW_ROUNDINGS);
      c.check("dweight", dweight, 4 * Comparison.sumOf(rows), FEW_ROUNDINGS);
      c.check("dbias", dbias, Comparison.sumOf(rows), FEW_ROUNDINGS);
      c.checkRepeatable(backward);
    }
  }

  @Test
  void inverseDeviationsEqualTheOracle() {
    try (Comparison c = compare(SEED, "77 channels")) {
      Pair variance = c.uniform(FLOAT, 0, 3, 77);
      Pair rstd = c.poisoned(FLOAT, 77);
      c.run((b, at) -> b.batchNorm().inverseDeviation(at.of(variance), EPSILON, at.of(rstd)));
      c.check("rstd", rstd, 0, FEW_ROUNDINGS);
    }
  }

  @Test
  void wrongSizesAreRefused() {
    try (Backend b = open()) {
      var x = compute(b, 4, 3);
      var three = b.allocate(3);
      var four = b.allocate(4);
      var weight = compute(b, 3);
      BatchNormOps ops = b.batchNorm();
      Comparison.assertShapeError(
          "channels", () -> ops.statistics(x, EPSILON, MOMENTUM, three, three, four, three));
      Comparison.assertShapeError(
          "channels", () -> ops.apply(x, four, three, weight, weight, null, true, x));
      var small = compute(b, 4, 2);
      Comparison.assertShapeError(
          "y", () -> ops.apply(x, three, three, weight, weight, null, true, small));
      Comparison.assertShapeError(
          "dx", () -> ops.backward(x, null, x, three, three, weight, small, three, three));
    }
  }
}
