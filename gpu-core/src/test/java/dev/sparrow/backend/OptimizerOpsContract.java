package dev.sparrow.backend;

import static dev.sparrow.backend.Comparison.Type.FLOAT;

import dev.sparrow.backend.Comparison.Pair;
import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What every backend's optimizer steps must do. A step is a dozen operations on values near 1: 1e-5
 * relative for moments; weights are near 1 and move by the learning rate: 1e-6 absolute.
 *
 * <p>All of it is in the float type. Where the backend computes in another, a step also writes the
 * new weights' copy in that type, which is exactly those weights rounded to nearest even.
 */
abstract class OptimizerOpsContract extends Contract {
  private static final long SEED = 801;
  private static final double SCALE = 0.37;
  private static final OptimizerOps.AdamW ADAM_W =
      new OptimizerOps.AdamW(1e-2, 0.9, 0.999, 1e-8, 0.1, 1);
  private static final OptimizerOps.Sgd SGD = new OptimizerOps.Sgd(0.05, 0.9, 0, false);

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 15, 16, 17, 63, 64, 65, 127, 128, 129, 70001})
  void adamWEqualsTheOracleOverThreeSteps(int size) {
    skipWhereSlow(Cost.passes(3 * 8, size));
    try (Comparison c = compare(SEED + size, "size " + size)) {
      adamW(c, size, 1, 3);
    }
  }

  /** Late steps: the bias corrections must not lose their digits to 1 - β^step. */
  @ParameterizedTest
  @ValueSource(longs = {10, 1000, 1_000_000, 3_000_000_000L})
  void adamWEqualsTheOracleLate(long step) {
    try (Comparison c = compare(SEED, "step " + step)) {
      adamW(c, 131, step, 1);
    }
  }

  private static void adamW(Comparison c, int size, long first, int steps) {
    Pair w = c.normal(FLOAT, size);
    Pair copy = copyOf(c, size);
    Pair m = c.normal(FLOAT, size);
    Pair v = c.uniform(FLOAT, 0, 1, size);
    for (long step = first; step < first + steps; step++) {
      OptimizerOps.AdamW settings = new OptimizerOps.AdamW(1e-2, 0.9, 0.999, 1e-8, 0.1, step);
      Pair gradient = c.normal(FLOAT, size);
      c.run(
          (b, at) ->
              b.optimizer()
                  .adamW(settings, SCALE, weights(at, gradient, w, copy), at.of(m), at.of(v)));
      c.checkExact("gradient", gradient);
      checkCopy(c, w, copy);
    }
    c.check("m", m, 1e-6, Comparison.FEW_ROUNDINGS);
    c.check("v", v, 1e-7, Comparison.FEW_ROUNDINGS);
    // At step 1 the corrected moments of a warm state are large and so is the move.
    c.check("w", w, 1e-6, Comparison.FEW_ROUNDINGS);
  }

  /** A parameter whose gradient was always 0 decays and does nothing else: 0/(0 + ε) is 0. */
  @Test
  void adamWOnlyDecaysWithoutAGradient() {
    try (Comparison c = compare(SEED, "zero gradient")) {
      Pair w = c.normal(FLOAT, 33);
      Pair copy = copyOf(c, 33);
      Pair m = c.uniform(FLOAT, 0, 0, 33);
      Pair v = c.uniform(FLOAT, 0, 0, 33);
      Pair gradient = c.uniform(FLOAT, 0, 0, 33);
      c.run(
          (b, at) ->
              b.optimizer().adamW(ADAM_W, 1, weights(at, gradient, w, copy), at.of(m), at.of(v)));
      c.check("w", w, 0, 1e-6);
      checkCopy(c, w, copy);
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
    skipWhereSlow(Cost.passes(3 * 6, size));
    try (Comparison c = compare(SEED + size, settings + " of " + size)) {
      Pair w = c.normal(FLOAT, size);
      Pair copy = copyOf(c, size);
      Pair v = c.normal(FLOAT, size);
      for (int step = 0; step < 3; step++) {
        Pair gradient = c.normal(FLOAT, size);
        c.run(
            (b, at) ->
                b.optimizer().sgd(settings, SCALE, weights(at, gradient, w, copy), at.of(v)));
        c.checkExact("gradient", gradient);
        checkCopy(c, w, copy);
      }
      c.check("momentum", v, 1e-6, Comparison.FEW_ROUNDINGS);
      c.check("w", w, 1e-6, Comparison.FEW_ROUNDINGS);
    }
  }

  /**
   * Decay and learning rate change within a vector, segments of one element and none among them.
   */
  @Test
  void decayAndLearningRateFollowTheSegments() {
    UpdateSegments segments =
        new UpdateSegments(
            new long[] {1, 1, 18, 50, 51, 1000},
            new boolean[] {true, false, false, true, false, true},
            new float[] {1, 9, 0.25f, 3, 1, 1.7f});
    OptimizerOps.AdamW adamW = new OptimizerOps.AdamW(1e-2, 0.9, 0.999, 1e-8, 0.5, 3);
    OptimizerOps.Sgd sgd = new OptimizerOps.Sgd(0.05, 0.9, 0.5, true);
    try (Comparison c = compare(SEED, "segments")) {
      Pair gradient = c.normal(FLOAT, 1000);
      Pair w = c.normal(FLOAT, 1000);
      Pair copy = copyOf(c, 1000);
      Pair m = c.normal(FLOAT, 1000);
      Pair v = c.uniform(FLOAT, 0, 1, 1000);
      c.run(
          (b, at) -> {
            OptimizerOps.Weights weights =
                new OptimizerOps.Weights(at.of(gradient), at.of(w), at.of(copy), segments);
            b.optimizer().adamW(adamW, SCALE, weights, at.of(m), at.of(v));
            b.optimizer().sgd(sgd, SCALE, weights, at.of(m));
          });
      c.check("w", w, 1e-6, Comparison.FEW_ROUNDINGS);
      checkCopy(c, w, copy);
    }
  }

  /** The weights in the tested backend's compute type; null where that is their own. */
  private static Pair copyOf(Comparison c, int size) {
    return c.mixed() ? c.testedAlone(size) : null;
  }

  private static void checkCopy(Comparison c, Pair w, Pair copy) {
    if (copy != null) {
      c.checkCopy("copy", w, copy);
    }
  }

  private static OptimizerOps.Weights weights(
      Comparison.Side at, Pair gradient, Pair w, Pair copy) {
    return weights(at.of(gradient), at.of(w), at.of(copy), (int) w.tested().size());
  }

  private static OptimizerOps.Weights weights(
      Tensor gradient, Tensor parameter, Tensor copy, int size) {
    return new OptimizerOps.Weights(gradient, parameter, copy, UpdateSegments.whole(size, true));
  }

  @Test
  void wrongSizesAreRefused() {
    try (Backend b = open()) {
      boolean mixed = b.computeType() != b.floatType();
      Tensor x = b.allocate(4);
      Tensor copy = mixed ? compute(b, 4) : null;
      Tensor wrong = b.allocate(5);
      OptimizerOps ops = b.optimizer();
      OptimizerOps.Weights right = weights(x, x, copy, 4);
      Comparison.assertShapeError(
          "parameter", () -> ops.adamW(ADAM_W, 1, weights(x, wrong, copy, 4), x, x));
      Comparison.assertShapeError("firstMoment", () -> ops.adamW(ADAM_W, 1, right, wrong, x));
      Comparison.assertShapeError("secondMoment", () -> ops.adamW(ADAM_W, 1, right, x, wrong));
      Comparison.assertShapeError(
          "segments", () -> ops.adamW(ADAM_W, 1, weights(x, x, copy, 5), x, x));
      Comparison.assertShapeError(
          "parameter", () -> ops.sgd(SGD, 1, weights(x, wrong, copy, 4), x));
      Comparison.assertShapeError("momentum", () -> ops.sgd(SGD, 1, right, wrong));
      Comparison.assertShapeError("segments", () -> ops.sgd(SGD, 1, weights(x, x, copy, 5), x));
    }
  }

  /** One of the wrong size, or one where the weights are read as they are. */
  @Test
  void wrongCopiesAreRefused() {
    try (Backend b = open()) {
      Tensor x = b.allocate(4);
      Tensor wrong = compute(b, b.computeType() == b.floatType() ? 4 : 5);
      OptimizerOps ops = b.optimizer();
      OptimizerOps.Weights weights = weights(x, x, wrong, 4);
      Comparison.assertShapeError("copy", () -> ops.adamW(ADAM_W, 1, weights, x, x));
      Comparison.assertShapeError("copy", () -> ops.sgd(SGD, 1, weights, x));
    }
  }
}
