package dev.sparrow.backend;

import static dev.sparrow.backend.Comparison.Type.FLOAT;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparrow.backend.Comparison.Pair;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What every backend's losses must do. Logits are in the compute type, losses in the float type. In
 * bf16 both sides start from the same rounded logits, losses are held to fp32, and the gradient
 * that takes the logits' place is rounded once.
 */
abstract class LossOpsContract extends Contract {
  private static final long SEED = 401;

  @ParameterizedTest
  @CsvSource({
    "1, 1",
    "3, 2",
    "5, 7",
    "17, 15",
    "2, 16",
    "65, 17",
    "7, 63",
    "5, 64",
    "3, 65",
    "129, 127",
    "4, 128",
    "2, 129",
    "3, 50257"
  })
  void crossEntropyEqualsTheOracle(int rows, int classes) {
    skipWhereSlow(Cost.passes(4, rows * classes));
    check(rows, classes, 1);
  }

  /** exp(1000) overflows: the largest logit must be taken off first. */
  @Test
  void largeLogitsDoNotOverflow() {
    check(5, 33, 1000);
  }

  /** fp32 logits of magnitude m carry m·u; the exponentials of their differences 4·m·u. */
  private void check(int rows, int classes, double magnitude) {
    double relative = Comparison.FEW_ROUNDINGS + magnitude * 0x1p-22;
    String what = "rows %d, classes %d, logits to %s".formatted(rows, classes, magnitude);
    try (Comparison c = compare(SEED + classes, what)) {
      Pair logits = c.uniform(-3 * magnitude, 3 * magnitude, rows, classes);
      Pair targets = c.integers(LossOps.IGNORE, classes, rows);
      Pair losses = c.poisoned(FLOAT, rows);
      Pair again = c.poisoned(FLOAT, rows);
      double scale = 1.0 / rows;
      c.run(
          (b, at) -> {
            b.loss().crossEntropy(at.of(logits), classes, at.of(targets), at.of(losses));
            b.loss()
                .crossEntropyWithGradient(
                    at.of(logits), classes, at.of(targets), scale, at.of(again));
          });
      // A loss is the difference of two numbers of the logits' magnitude.
      double absolute = 1e-5 + 3 * magnitude * 0x1p-22;
      c.check("losses", losses, absolute, relative);
      c.check("losses with gradient", again, absolute, relative);
      c.check("gradient", logits, scale * 1e-6, relative);
    }
  }

  @Test
  void crossEntropyLeavesTheLogitsAlone() {
    try (Comparison c = compare(SEED, "logits kept")) {
      Pair logits = c.normal(9, 19);
      Pair targets = c.integers(0, 19, 9);
      Pair losses = c.poisoned(FLOAT, 9);
      c.run((b, at) -> b.loss().crossEntropy(at.of(logits), 19, at.of(targets), at.of(losses)));
      c.checkExact("logits", logits);
    }
  }

  /** Columns behind the classes may hold anything, and get a gradient of exactly 0. */
  @ParameterizedTest
  @CsvSource({"1, 1, 2", "3, 5, 8", "4, 65, 128", "2, 130, 131"})
  void paddingTakesNoPart(int rows, int classes, int columns) {
    try (Comparison c = compare(SEED, classes + " of " + columns + " columns")) {
      float[] values = new RandomValues(SEED).normal(rows * columns);
      for (int r = 0; r < rows; r++) {
        Arrays.fill(values, r * columns + classes, (r + 1) * columns, Float.NaN);
      }
      Pair logits = c.values(values, rows, columns);
      Pair targets = c.integers(LossOps.IGNORE, classes, rows);
      Pair losses = c.poisoned(FLOAT, rows);
      Pair again = c.poisoned(FLOAT, rows);
      c.run(
          (b, at) -> {
            LossOps ops = b.loss();
            ops.crossEntropy(at.of(logits), classes, at.of(targets), at.of(losses));
            ops.crossEntropyWithGradient(at.of(logits), classes, at.of(targets), 2, at.of(again));
          });
      c.check("losses", losses, 1e-5, Comparison.FEW_ROUNDINGS);
      c.check("losses with gradient", again, 1e-5, Comparison.FEW_ROUNDINGS);
      c.check("gradient", logits, 1e-6, Comparison.FEW_ROUNDINGS);
    }
  }

  /** Their losses and gradients are exactly 0. */
  @Test
  void ignoredRowsCountNowhere() {
    try (Comparison c = compare(SEED, "ignored rows")) {
      Pair logits = c.normal(4, 21);
      Pair targets = c.ints(new int[] {-1, 3, -1, 20}, 4);
      Pair losses = c.poisoned(FLOAT, 4);
      c.run(
          (b, at) ->
              b.loss()
                  .crossEntropyWithGradient(at.of(logits), 21, at.of(targets), 2, at.of(losses)));
      c.check("losses", losses, 1e-6, Comparison.FEW_ROUNDINGS);
      c.check("gradient", logits, 1e-6, Comparison.FEW_ROUNDINGS);
      c.checkExact("gradient of an ignored row", logits.slice(0, 1));
      c.checkExact("loss of an ignored row", losses.slice(2, 1));
    }
  }

  /** Summed in double: the error is that of the inputs, which are the same on both sides. */
  @ParameterizedTest
  @CsvSource({"1", "17", "129", "100003"})
  void sumsAreInDouble(int size) {
    skipWhereSlow(Cost.passes(1, size));
    try (Comparison c = compare(SEED, "sum of " + size)) {
      Pair x = c.normal(FLOAT, size);
      double[] sums = new double[2];
      double[] doubled = new double[2];
      int[] side = {0};
      c.run(
          (b, at) -> {
            Tensor total = b.allocate(DType.F64, Shape.of(1));
            b.loss().sum(at.of(x), false, total);
            b.loss().sum(at.of(x), true, total);
            b.downloadSync(total, doubled, side[0]);
            sums[side[0]++] = b.loss().sumSync(at.of(x));
          });
      c.check("sum", sums[1], sums[0], 1e-14 * size, 1e-12);
      assertEquals(2 * sums[0], doubled[0], "the sum added to itself");
    }
  }

  @Test
  void wrongShapesAreRefusedByName() {
    try (Backend b = open()) {
      Tensor logits = compute(b, 4, 3);
      Tensor losses = b.allocate(4);
      Tensor targets = b.allocate(DType.I32, losses.shape());
      Tensor wrongLosses = b.allocate(4, 3);
      Tensor wrong = b.allocate(DType.I32, logits.shape());
      LossOps ops = b.loss();
      Comparison.assertShapeError("targets", () -> ops.crossEntropy(logits, 3, wrong, losses));
      Comparison.assertShapeError("classes", () -> ops.crossEntropy(logits, 4, targets, losses));
      Comparison.assertShapeError(
          "losses", () -> ops.crossEntropy(logits, 3, targets, wrongLosses));
    }
  }
}
