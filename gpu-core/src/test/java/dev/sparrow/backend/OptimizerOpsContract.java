package dev.sparrow.backend;

import dev.sparrow.backend.Comparison.Pair;
import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What every backend's optimizer steps must do. A step is a dozen operations on values near 1: 1e-5
 * relative for moments; weights are near 1 and move by the learning rate: 1e-6 absolute.
 */
abstract class OptimizerOpsContract {
  private static final long SEED = 801;
  private static final double SCALE = 0.37;

  protected abstract Backend open();

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 15, 16, 17, 63, 64, 65, 127, 128, 129, 70001})
  void adamWEqualsTheOracleOverThreeSteps(int size) {
    try (Comparison c = new Comparison(open(), SEED + size, "size " + size)) {
      adamW(c, size, 1, 3);
    }
  }

  /** Late steps: the bias corrections must not lose their digits to 1 - β^step. */
  @ParameterizedTest
  @ValueSource(longs = {10, 1000, 1_000_000, 3_000_000_000L})
  void adamWEqualsTheOracleLate(long step) {
    try (Comparison c = new Comparison(open(), SEED, "step " + step)) {
      adamW(c, 131, step, 1);
    }
  }

  private static void adamW(Comparison c, int size, long first, int steps) {
    Pair w = c.normal(size);
    Pair m = c.normal(size);
    Pair v = c.uniform(0, 1, size);
    for (long step = first; step < first + steps; step++) {
      OptimizerOps.AdamW settings = new OptimizerOps.AdamW(1e-2, 0.9, 0.999, 1e-8, 0.1, step);
      Pair gradient = c.normal(size);
      c.run(
          (b, at) ->
              b.optimizer().adamW(settings, SCALE, weights(at, gradient, w), at.of(m), at.of(v)));
      c.checkExact("gradient", gradient);
    }
    c.check("m", m, 1e-6, Comparison.FEW_ROUNDINGS);
    c.check("v", v, 1e-7, Comparison.FEW_ROUNDINGS);
    // At step 1 the corrected moments of a warm state are large and so is the move.
    c.check("w", w, 1e-6, Comparison.FEW_ROUNDINGS);
  }

  /** A parameter whose gradient was always 0 decays and does nothing else: 0/(0 + ε) is 0. */
  @Test
  void adamWOnlyDecaysWithoutAGradient() {
    OptimizerOps.AdamW settings = new OptimizerOps.AdamW(1e-2, 0.9, 0.999, 1e-8, 0.1, 1);
    try (Comparison c = new Comparison(open(), SEED, "zero gradient")) {
      Pair w = c.normal(33);
      Pair m = c.uniform(0, 0, 33);
      Pair v = c.uniform(0, 0, 33);
      Pair gradient = c.uniform(0, 0, 33);
      c.run(
          (b, at) ->
              b.optimizer().adamW(settings, 1, weights(at, gradient, w), at.of(m), at.of(v)));
      c.check("w", w, 0, 1e-6);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "1, 0, 0, false",
    "17, 0.9, 0, false",
    "64, 0.9, 0.1, false",
    "129, 0.9, 0.1, true",
    "70001, 0.5, 0.01, true"
  })
  void sgdEqualsTheOracleOverThreeSteps(int size, double momentum, double decay, boolean nesterov) {
    OptimizerOps.Sgd settings = new OptimizerOps.Sgd(0.05, momentum, decay, nesterov);
    try (Comparison c = new Comparison(open(), SEED + size, settings + " of " + size)) {
      Pair w = c.normal(size);
      Pair v = c.normal(size);
      for (int step = 0; step < 3; step++) {
        Pair gradient = c.normal(size);
        c.run((b, at) -> b.optimizer().sgd(settings, SCALE, weights(at, gradient, w), at.of(v)));
        c.checkExact("gradient", gradient);
      }
      c.check("momentum", v, 1e-6, Comparison.FEW_ROUNDINGS);
      c.check("w", w, 1e-6, Comparison.FEW_ROUNDINGS);
    }
  }

  /** Decay starts and ends within a vector, segments of one element and none among them. */
  @Test
  void weightDecayFollowsTheSegments() {
    DecaySegments segments =
        new DecaySegments(
            new long[] {1, 1, 18, 50, 51, 1000},
            new boolean[] {true, false, false, true, false, true});
    OptimizerOps.AdamW adamW = new OptimizerOps.AdamW(1e-2, 0.9, 0.999, 1e-8, 0.5, 3);
    OptimizerOps.Sgd sgd = new OptimizerOps.Sgd(0.05, 0.9, 0.5, true);
    try (Comparison c = new Comparison(open(), SEED, "segments")) {
      Pair gradient = c.normal(1000);
      Pair w = c.normal(1000);
      Pair m = c.normal(1000);
      Pair v = c.uniform(0, 1, 1000);
      c.run(
          (b, at) -> {
            OptimizerOps.Weights weights =
                new OptimizerOps.Weights(at.of(gradient), at.of(w), null, segments);
            b.optimizer().adamW(adamW, SCALE, weights, at.of(m), at.of(v));
            b.optimizer().sgd(sgd, SCALE, weights, at.of(m));
          });
      c.check("w", w, 1e-6, Comparison.FEW_ROUNDINGS);
    }
  }

  private static OptimizerOps.Weights weights(Comparison.Side at, Pair gradient, Pair w) {
    return weights(at.of(gradient), at.of(w), (int) w.tested().size());
  }

  private static OptimizerOps.Weights weights(Tensor gradient, Tensor parameter, int size) {
    return new OptimizerOps.Weights(gradient, parameter, null, DecaySegments.whole(size, true));
  }

  @Test
  void wrongSizesAreRefused() {
    OptimizerOps.AdamW adamW = new OptimizerOps.AdamW(1e-2, 0.9, 0.999, 1e-8, 0.1, 1);
    OptimizerOps.Sgd sgd = new OptimizerOps.Sgd(0.05, 0.9, 0, false);
    try (Backend b = open()) {
      Tensor x = b.allocate(4);
      Tensor wrong = b.allocate(5);
      OptimizerOps ops = b.optimizer();
      Comparison.assertShapeError(
          "parameter", () -> ops.adamW(adamW, 1, weights(x, wrong, 4), x, x));
      Comparison.assertShapeError(
          "firstMoment", () -> ops.adamW(adamW, 1, weights(x, x, 4), wrong, x));
      Comparison.assertShapeError(
          "secondMoment", () -> ops.adamW(adamW, 1, weights(x, x, 4), x, wrong));
      Comparison.assertShapeError("parameter", () -> ops.sgd(sgd, 1, weights(x, wrong, 4), x));
      Comparison.assertShapeError("momentum", () -> ops.sgd(sgd, 1, weights(x, x, 4), wrong));
    }
  }
}
