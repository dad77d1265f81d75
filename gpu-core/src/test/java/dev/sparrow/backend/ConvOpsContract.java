package dev.sparrow.backend;

import static dev.sparrow.backend.Comparison.Type.FLOAT;

import dev.sparrow.backend.Comparison.Pair;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What every backend's convolutions and pooling must do: sums over the window and the channels,
 * over the windows that saw a pixel, or over the batch, held to {@link Comparison#sumOf} their
 * terms.
 */
abstract class ConvOpsContract extends Contract {
  private static final long SEED = 811;

  /**
   * Images, height, width, channels, out, kernel, stride, padding: of one pixel, odd sizes, windows
   * that pass every edge, windows of one pixel, and shapes of networks.
   */
  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, 1, 1, 1, 1, 0",
    "1, 1, 1, 3, 2, 3, 1, 1",
    "2, 5, 7, 3, 5, 3, 1, 1",
    "2, 5, 7, 3, 5, 3, 2, 1",
    "3, 6, 4, 2, 3, 2, 2, 0",
    "1, 7, 5, 1, 7, 3, 1, 0",
    "2, 7, 5, 5, 4, 3, 3, 0",
    "2, 9, 9, 2, 3, 5, 2, 2",
    "3, 4, 4, 17, 9, 1, 1, 0",
    "3, 5, 4, 17, 9, 1, 2, 0",
    "2, 8, 8, 8, 16, 3, 1, 1",
    "2, 8, 8, 16, 24, 3, 2, 1",
    "5, 7, 7, 24, 40, 3, 2, 1",
    "2, 8, 8, 64, 72, 3, 1, 1",
    "3, 6, 10, 32, 64, 1, 2, 0",
    "20, 4, 4, 136, 8, 3, 1, 1",
    "9, 8, 8, 128, 16, 3, 2, 1",
    "1, 40, 33, 8, 8, 3, 1, 1",
    "4, 32, 32, 3, 16, 3, 1, 1",
    "70, 2, 2, 8, 8, 3, 1, 1"
  })
  void productsEqualTheOracle(
      int images,
      int height,
      int width,
      int channels,
      int out,
      int kernel,
      int stride,
      int padding) {
    ConvShape s = new ConvShape(images, height, width, channels, kernel, stride, padding);
    skipWhereSlow(Cost.products(4, s.outRows(), s.patch(), out));
    try (Comparison c = compare(SEED + out, s + " to " + out)) {
      Pair x = c.normal(s.rows(), channels);
      Pair w = c.normal(out, s.patch());
      Pair dy = c.normal(s.outRows(), out);
      Pair y = c.poisoned(s.outRows(), out);
      Pair dx = c.poisoned(s.rows(), channels);
      Pair dxAdded = c.normal(s.rows(), channels);
      Pair dw = c.normal(FLOAT, out, s.patch());
      Comparison.Call call =
          (b, at) -> {
            b.conv().forward(s, at.of(x), at.of(w), at.of(y));
            b.conv().backwardInput(s, at.of(dy), at.of(w), false, at.of(dx));
            b.conv().backwardInput(s, at.of(dy), at.of(w), true, at.of(dxAdded));
            b.conv().backwardWeight(s, at.of(dy), at.of(x), at.of(dw));
          };
      c.run(call);
      double terms = Comparison.sumOf(s.taps() * out);
      // Where patches' gradients exist, in the compute type, each is rounded before they are
      // summed;
      // few of them are above four deviations.
      double patches = c.unit() * Math.sqrt(out) * (4 + s.taps());
      c.check("y", y, Comparison.sumOf(s.patch()), Comparison.FEW_ROUNDINGS);
      c.check("dx", dx, terms + patches, Comparison.FEW_ROUNDINGS);
      c.check("dx accumulated", dxAdded, terms + patches, Comparison.FEW_ROUNDINGS);
      c.check("dw", dw, Comparison.sumOf(s.outRows()), Comparison.FEW_ROUNDINGS);
      c.checkRepeatable(call);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, 1, 1, 1, 0",
    "2, 5, 7, 3, 3, 1, 1",
    "2, 5, 7, 3, 3, 2, 1",
    "3, 6, 4, 2, 2, 2, 0",
    "2, 9, 9, 8, 5, 2, 2",
    "3, 5, 4, 17, 1, 2, 0",
    "2, 8, 8, 64, 3, 1, 1",
    "1, 7, 5, 16, 3, 3, 0"
  })
  void patchesAndTheirGradientsEqualTheOracle(
      int images, int height, int width, int channels, int kernel, int stride, int padding) {
    ConvShape s = new ConvShape(images, height, width, channels, kernel, stride, padding);
    try (Comparison c = compare(SEED, s.toString())) {
      Pair x = c.normal(s.rows(), channels);
      Pair patches = c.poisoned(s.outRows(), s.patch());
      Pair dpatches = c.normal(s.outRows(), s.patch());
      Pair dx = c.poisoned(s.rows(), channels);
      Pair dxAdded = c.normal(s.rows(), channels);
      c.run(
          (b, at) -> {
            b.conv().patches(s, at.of(x), at.of(patches));
            b.conv().patchesBackward(s, at.of(dpatches), false, at.of(dx));
            b.conv().patchesBackward(s, at.of(dpatches), true, at.of(dxAdded));
          });
      c.checkExact("patches", patches);
      c.check("dx", dx, Comparison.sumOf(s.taps()), Comparison.FEW_ROUNDINGS);
      c.check("dx accumulated", dxAdded, Comparison.sumOf(s.taps()), Comparison.FEW_ROUNDINGS);
    }
  }

  /** Windows that overlap or not, of odd sizes and at edges. */
  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, 1, 1, 1, 0",
    "2, 4, 6, 3, 2, 2, 0",
    "2, 5, 7, 8, 2, 2, 0",
    "3, 8, 8, 17, 3, 2, 1",
    "2, 6, 5, 5, 3, 1, 1",
    "1, 7, 7, 64, 3, 2, 1"
  })
  void maximaAndTheirGradientsEqualTheOracle(
      int images, int height, int width, int channels, int kernel, int stride, int padding) {
    ConvShape s = new ConvShape(images, height, width, channels, kernel, stride, padding);
    try (Comparison c = compare(SEED, s.toString())) {
      // Few values, so that some are equal: the first of them counts.
      float[] steps = new RandomValues(SEED).normal(s.rows() * channels);
      for (int i = 0; i < steps.length; i++) {
        steps[i] = Math.round(4 * steps[i]) / 4f;
      }
      Pair x = c.values(steps, s.rows(), channels);
      Pair y = c.poisoned(s.outRows(), channels);
      int[] nowhere = new int[s.outRows() * channels];
      Arrays.fill(nowhere, Integer.MIN_VALUE);
      Pair taps = c.ints(nowhere, s.outRows(), channels);
      Pair dy = c.normal(s.outRows(), channels);
      Pair dx = c.poisoned(s.rows(), channels);
      c.run(
          (b, at) -> {
            b.conv().maxPool(s, at.of(x), at.of(y), at.of(taps));
            b.conv().maxPoolBackward(s, at.of(dy), at.of(taps), at.of(dx));
          });
      c.checkExact("y", y);
      c.checkInts("taps", taps);
      c.check("dx", dx, Comparison.sumOf(s.taps()), Comparison.FEW_ROUNDINGS);
    }
  }

  @Test
  void anEmptyBatchAddsNothing() {
    ConvShape s = new ConvShape(0, 4, 4, 8, 3, 1, 1);
    try (Comparison c = compare(SEED, "no images")) {
      Pair x = c.normal(0, 8);
      Pair w = c.normal(16, 72);
      Pair y = c.normal(0, 16);
      Pair dw = c.normal(FLOAT, 16, 72);
      c.run(
          (b, at) -> {
            b.conv().forward(s, at.of(x), at.of(w), at.of(y));
            b.conv().backwardInput(s, at.of(y), at.of(w), false, at.of(x));
            b.conv().backwardWeight(s, at.of(y), at.of(x), at.of(dw));
          });
      c.check("dw", dw, 0, 0);
    }
  }

  @Test
  void wrongSizesAreRefused() {
    ConvShape s = new ConvShape(2, 4, 4, 3, 3, 2, 1);
    try (Backend b = open()) {
      var x = compute(b, 32, 3);
      var w = compute(b, 5, 27);
      var y = compute(b, 8, 5);
      var dw = b.allocate(5, 27);
      ConvOps ops = b.conv();
      Comparison.assertShapeError("x", () -> ops.forward(s, y, w, y));
      Comparison.assertShapeError("y", () -> ops.forward(s, x, w, x));
      Comparison.assertShapeError("w", () -> ops.forward(s, x, compute(b, 5, 26), y));
      Comparison.assertShapeError("dx", () -> ops.backwardInput(s, y, w, false, y));
      Comparison.assertShapeError("dy", () -> ops.backwardWeight(s, x, x, dw));
      Comparison.assertShapeError("patches", () -> ops.patches(s, x, y));
      Comparison.assertShapeError("dpatches", () -> ops.patchesBackward(s, y, false, x));
    }
  }
}
