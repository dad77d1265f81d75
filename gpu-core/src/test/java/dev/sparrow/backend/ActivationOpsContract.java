package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Comparison.Pair;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What every backend's nonlinearities must do. The functions are a few operations and one
 * exponential or error function good to some roundoffs: 1e-5 relative, and 1e-6 absolute where the
 * tails cancel.
 *
 * <p>All tensors are in the compute type. In bf16 that adds the rounding of the result and no more:
 * what comes before is fp32, so that also the products of three in a gated backward pass are
 * rounded once.
 */
abstract class ActivationOpsContract extends Contract {
  private static final long SEED = 301;
  private static final double ABSOLUTE = 1e-6;
  private static final int[] SIZES = {1, 7, 15, 16, 17, 63, 64, 65, 127, 128, 129, 3072};
  private static final float[] EXTREMES = {
    0f, -0f, 1e-30f, -1e-30f, 1e-6f, -1e-6f, 5.5f, -5.5f, 10f, -10f, 88f, -88f, 100f, -100f, 1e4f,
    -1e4f
  };

  @ParameterizedTest
  @EnumSource
  void everySizeEqualsTheOracle(Activation f) {
    skipWhereSlow(Cost.passes(15, Arrays.stream(SIZES).sum()));
    for (int size : SIZES) {
      try (Comparison c = compare(SEED + size, f + " of " + size)) {
        check(c, f, c.uniform(-6, 6, size), size);
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void extremesEqualTheOracle(Activation f) {
    try (Comparison c = compare(SEED, f + " of extremes")) {
      check(c, f, c.values(EXTREMES, EXTREMES.length), EXTREMES.length);
    }
  }

  private static void check(Comparison c, Activation f, Pair x, int size) {
    Pair up = c.normal(size);
    Pair dy = c.normal(size);
    Pair y = c.poisoned(size);
    Pair dx = c.poisoned(size);
    Pair gated = c.poisoned(size);
    Pair dgate = c.poisoned(size);
    Pair dup = c.poisoned(size);
    c.run(
        (b, at) -> {
          ActivationOps ops = b.activation();
          ops.forward(f, at.of(x), at.of(y));
          ops.backward(f, at.of(x), at.of(dy), at.of(dx));
          ops.gated(f, at.of(x), at.of(up), at.of(gated));
          ops.gatedBackward(f, at.of(x), at.of(up), at.of(dy), at.of(dgate), at.of(dup));
        });
    c.check("y", y, ABSOLUTE, Comparison.FEW_ROUNDINGS);
    c.check("dx", dx, ABSOLUTE, Comparison.FEW_ROUNDINGS);
    // The tails' absolute error is multiplied by up, which stays below 5.
    c.check("gated", gated, 5 * ABSOLUTE, Comparison.FEW_ROUNDINGS);
    c.check("dgate", dgate, 10 * ABSOLUTE, Comparison.FEW_ROUNDINGS);
    c.check("dup", dup, 5 * ABSOLUTE, Comparison.FEW_ROUNDINGS);
  }

  @ParameterizedTest
  @EnumSource
  void resultsMayOverwriteInputs(Activation f) {
    int size = 131;
    try (Comparison c = compare(SEED, f + " in place")) {
      Pair y = c.normal(size);
      Pair x = c.normal(size);
      Pair dyIsDx = c.normal(size);
      Pair xIsDx = c.normal(size);
      Pair dy = c.normal(size);
      Pair gate = c.normal(size);
      Pair up = c.normal(size);
      c.run(
          (b, at) -> {
            ActivationOps ops = b.activation();
            ops.forward(f, at.of(y), at.of(y));
            ops.backward(f, at.of(x), at.of(dyIsDx), at.of(dyIsDx));
            ops.backward(f, at.of(xIsDx), at.of(dy), at.of(xIsDx));
            ops.gatedBackward(f, at.of(gate), at.of(up), at.of(dy), at.of(gate), at.of(up));
          });
      c.check("y", y, ABSOLUTE, Comparison.FEW_ROUNDINGS);
      c.check("dx over dy", dyIsDx, 5 * ABSOLUTE, Comparison.FEW_ROUNDINGS);
      c.check("dx over x", xIsDx, 5 * ABSOLUTE, Comparison.FEW_ROUNDINGS);
      c.check("dgate over gate", gate, 10 * ABSOLUTE, Comparison.FEW_ROUNDINGS);
      c.check("dup over up", up, 5 * ABSOLUTE, Comparison.FEW_ROUNDINGS);
    }
  }

  /** A NaN must reach the loss, where training stops; it must not be clamped away. */
  @ParameterizedTest
  @EnumSource
  void notANumberStaysNotANumber(Activation f) {
    float[] values = new float[35];
    values[3] = Float.NaN;
    values[34] = Float.NaN;
    try (Backend b = open()) {
      Tensor x = compute(b, 35);
      b.upload(values, 0, x);
      b.activation().forward(f, x, x);
      b.downloadSync(x, values, 0);
      assertTrue(Float.isNaN(values[3]) && Float.isNaN(values[34]), f + " hides a NaN");
    }
  }

  @Test
  void wrongSizesAreRefused() {
    try (Backend b = open()) {
      Tensor x = compute(b, 4);
      Tensor wrong = compute(b, 5);
      ActivationOps ops = b.activation();
      Activation f = Activation.SILU;
      Comparison.assertShapeError("y", () -> ops.forward(f, x, wrong));
      Comparison.assertShapeError("dx", () -> ops.backward(f, x, x, wrong));
      Comparison.assertShapeError("dy", () -> ops.backward(f, x, wrong, x));
      Comparison.assertShapeError("up", () -> ops.gated(f, x, wrong, x));
      Comparison.assertShapeError("dup", () -> ops.gatedBackward(f, x, x, x, x, wrong));
    }
  }
}
