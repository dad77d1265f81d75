package dev.sparrow.backend;

import static dev.sparrow.backend.Comparison.Type.FLOAT;

import dev.sparrow.backend.Comparison.Pair;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What every backend's products must do: fp32 sums held to {@link Comparison#sumOf} their terms.
 *
 * <p>Weights' gradients are in the float type, all else in the compute type. In bf16 the sum, with
 * what it is added to and the bias, is rounded once; products of bf16 values are exact in fp32. A
 * router's weight, logits and their gradient are fp32 everywhere.
 */
abstract class MatmulOpsContract extends Contract {
  private static final long SEED = 101;

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1",
    "3, 5, 7",
    "1, 17, 9",
    "15, 16, 17",
    "63, 64, 65",
    "65, 63, 64",
    "127, 128, 129",
    "129, 127, 33",
    "128, 384, 1536",
    "2, 768, 2304"
  })
  void productsEqualTheOracle(int rows, int in, int out) {
    skipWhereSlow(Cost.products(4, rows, out, in));
    String what = "rows %d, in %d, out %d".formatted(rows, in, out);
    try (Comparison c = compare(SEED + rows, what)) {
      Pair x = c.normal(rows, in);
      Pair w = c.normal(out, in);
      Pair bias = c.normal(out);
      Pair y = c.poisoned(rows, out);
      Pair plain = c.poisoned(rows, out);
      Pair residual = c.normal(rows, out);
      Pair joined = c.poisoned(rows, out);
      Pair added = c.normal(rows, out);
      c.run(
          (b, at) -> {
            MatmulOps ops = b.matmul();
            ops.forward(at.of(x), at.of(w), at.of(bias), null, at.of(y));
            ops.forward(at.of(x), at.of(w), null, null, at.of(plain));
            ops.forward(at.of(x), at.of(w), at.of(bias), at.of(residual), at.of(joined));
            ops.forward(at.of(x), at.of(w), at.of(bias), at.of(added), at.of(added));
          });
      c.check("y", y, Comparison.sumOf(in), Comparison.FEW_ROUNDINGS);
      c.check("y without bias", plain, Comparison.sumOf(in), Comparison.FEW_ROUNDINGS);
      c.check("y with residual", joined, Comparison.sumOf(in), Comparison.FEW_ROUNDINGS);
      c.check("y accumulated", added, Comparison.sumOf(in), Comparison.FEW_ROUNDINGS);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1",
    "3, 5, 7",
    "1, 17, 9",
    "15, 16, 17",
    "63, 64, 65",
    "65, 63, 64",
    "127, 128, 129",
    "129, 127, 33",
    "128, 384, 768",
    "2, 768, 2304"
  })
  void gradientsEqualTheOracle(int rows, int in, int out) {
    skipWhereSlow(Cost.products(4, rows, out, in));
    String what = "rows %d, in %d, out %d".formatted(rows, in, out);
    try (Comparison c = compare(SEED + rows, what)) {
      Pair x = c.normal(rows, in);
      Pair w = c.normal(out, in);
      Pair dy = c.normal(rows, out);
      Pair dx = c.poisoned(rows, in);
      Pair added = c.normal(rows, in);
      Pair dw = c.normal(FLOAT, out, in);
      Pair plain = c.normal(FLOAT, out, in);
      Pair dbias = c.normal(FLOAT, out);
      c.run(
          (b, at) -> {
            b.matmul().backwardInput(at.of(dy), at.of(w), false, at.of(dx));
            b.matmul().backwardInput(at.of(dy), at.of(w), true, at.of(added));
            b.matmul().backwardWeight(at.of(dy), at.of(x), at.of(dw), at.of(dbias));
            b.matmul().backwardWeight(at.of(dy), at.of(x), at.of(plain), null);
          });
      c.check("dx", dx, Comparison.sumOf(out), Comparison.FEW_ROUNDINGS);
      c.check("dx accumulated", added, Comparison.sumOf(out), Comparison.FEW_ROUNDINGS);
      c.check("dw", dw, Comparison.sumOf(rows), Comparison.FEW_ROUNDINGS);
      c.check("dw without bias", plain, Comparison.sumOf(rows), Comparison.FEW_ROUNDINGS);
      c.check("dbias", dbias, Comparison.sumOf(rows), Comparison.FEW_ROUNDINGS);
    }
  }

  /**
   * Slopes of all nonlinearities stay below 1.13, and the functions themselves are held to a few
   * roundings of what they are given.
   */
  @ParameterizedTest
  @MethodSource("activations")
  void activatedProductsEqualTheOracle(Activation f, int rows, int in, int out) {
    skipWhereSlow(Cost.products(2, rows, out, in).plus(Cost.passes(4, rows * (in + out))));
    String what = "%s, rows %d, in %d, out %d".formatted(f, rows, in, out);
    try (Comparison c = compare(SEED + rows, what)) {
      Pair x = c.normal(rows, in);
      Pair w = c.normal(out, in);
      Pair bias = c.normal(out);
      Pair h = c.poisoned(rows, out);
      Pair y = c.poisoned(rows, out);
      Pair dy = c.normal(rows, out);
      Pair before = c.normal(rows, in);
      Pair dh = c.poisoned(rows, in);
      c.run(
          (b, at) -> {
            MatmulOps ops = b.matmul();
            ops.activatedForward(f, at.of(x), at.of(w), at.of(bias), at.of(h), at.of(y));
            ops.activatedBackwardInput(f, at.of(dy), at.of(w), at.of(before), at.of(dh));
          });
      c.check("h", h, Comparison.sumOf(in), Comparison.FEW_ROUNDINGS);
      c.check("y", y, activated(in), Comparison.FEW_ROUNDINGS);
      c.check("dh", dh, activated(out), Comparison.FEW_ROUNDINGS);
    }
  }

  static Stream<Arguments> activations() {
    int[][] sizes = {{1, 1, 1}, {3, 5, 7}, {65, 63, 64}, {127, 128, 129}, {128, 384, 768}};
    return Arrays.stream(Activation.values())
        .flatMap(f -> Arrays.stream(sizes).map(s -> Arguments.of(f, s[0], s[1], s[2])));
  }

  /** A sum's error times the slope, or the slope's own, 1e-6, times a sum of size √terms. */
  private static double activated(int terms) {
    return 1.13 * Comparison.sumOf(terms) + 5e-6 * Math.sqrt(terms);
  }

  /**
   * Activations times a router's fp32 weight: logits and dw keep what bf16 or TF32 operands would
   * lose, 2^-8 or 2^-11 of each term, and dx alone is rounded.
   *
   * <p>Tokens fewer than a tile, a whole one and many; widths that are multiples of 8 and others;
   * experts fewer than a tile, off it and several; tokens enough for a gradient in several parts.
   */
  @ParameterizedTest
  @CsvSource({
    "1, 1, 1",
    "3, 5, 7",
    "17, 65, 3",
    "64, 16, 64",
    "63, 129, 65",
    "129, 384, 8",
    "33, 768, 64",
    "5, 31, 1024",
    "127, 64, 16",
    "128, 64, 16",
    "130, 65, 17",
    "257, 136, 65",
    "1601, 264, 9"
  })
  void routerProductsEqualTheOracle(int rows, int in, int experts) {
    skipWhereSlow(Cost.products(4, rows, experts, in));
    String what = "router of rows %d, in %d, experts %d".formatted(rows, in, experts);
    try (Comparison c = compare(SEED + rows, what)) {
      Pair x = c.normal(rows, in);
      Pair w = c.normal(FLOAT, experts, in);
      Pair logits = c.poisoned(FLOAT, rows, experts);
      Pair dlogits = c.normal(FLOAT, rows, experts);
      Pair dx = c.poisoned(rows, in);
      Pair added = c.normal(rows, in);
      Pair dw = c.normal(FLOAT, experts, in);
      c.run(
          (b, at) -> {
            b.matmul().forward(at.of(x), at.of(w), null, null, at.of(logits));
            b.matmul().backwardInput(at.of(dlogits), at.of(w), false, at.of(dx));
            b.matmul().backwardInput(at.of(dlogits), at.of(w), true, at.of(added));
            b.matmul().backwardWeight(at.of(dlogits), at.of(x), at.of(dw), null);
          });
      c.check("logits", logits, Comparison.sumOf(in), Comparison.FEW_ROUNDINGS);
      double dxTolerance = Comparison.sumOf(experts) + leftOutOfDx(c, experts);
      c.check("dx", dx, dxTolerance, Comparison.FEW_ROUNDINGS);
      c.check("dx accumulated", added, dxTolerance, Comparison.FEW_ROUNDINGS);
      c.check("dw", dw, Comparison.sumOf(rows), Comparison.FEW_ROUNDINGS);
    }
  }

  /**
   * Where dx = dlogits·w is rounded to bf16 in the end, 2^-16 of each of its E terms may be left
   * out. The largest products of two normal values are near 12 and signs are random, so that 4·√E
   * times as much covers the sum; TF32 operands would leave out thirty times that.
   */
  private static double leftOutOfDx(Comparison c, int experts) {
    return c.mixed() ? 4 * Math.sqrt(experts) * 0x1p-16 : 0;
  }

  /** Rows per expert, then in and out: empty, single and tile-edge experts, first and last too. */
  @ParameterizedTest
  @CsvSource({
    "1, 1, 1",
    "5, 3, 7",
    "0, 4, 4",
    "0 0 0 9 0, 5, 6",
    "7 0 0, 5, 6",
    "0 1 127 128 129, 16, 17",
    "15 16 17 63 64 65, 33, 31",
    "219 2246 5 8103 1 1117 4693 0, 8, 9",
    "31 97 0 128, 128, 384"
  })
  void groupedProductsEqualTheOracle(String counts, int in, int out) {
    groupedEqualsTheOracle(offsets(counts), in, out);
  }

  @Test
  void groupedProductsOfManyExpertsEqualTheOracle() {
    int[] offsets = new int[1025];
    for (int e = 0; e < 1024; e++) {
      offsets[e + 1] = offsets[e] + e % 3;
    }
    groupedEqualsTheOracle(offsets, 7, 5);
  }

  private void groupedEqualsTheOracle(int[] offsets, int in, int out) {
    int experts = offsets.length - 1;
    int kept = offsets[experts];
    int rows = kept + 2; // two dropped assignments, to be left alone
    skipWhereSlow(Cost.products(6, kept, out, in));
    String what = "%d experts, %d rows, in %d, out %d".formatted(experts, kept, in, out);
    try (Comparison c = compare(SEED + kept, what)) {
      Pair starts = c.ints(offsets, experts + 1);
      Pair x = c.normal(rows, in);
      Pair w = c.normal(experts, out, in);
      Pair dy = c.normal(rows, out);
      Pair y = c.poisoned(rows, out);
      Pair dx = c.poisoned(rows, in);
      Pair added = c.normal(rows, in);
      Pair dw = c.normal(FLOAT, experts, out, in);
      Pair h = c.poisoned(rows, out);
      Pair activated = c.poisoned(rows, out);
      Pair before = c.normal(rows, in);
      Pair dh = c.poisoned(rows, in);
      Activation f = Activation.GELU;
      c.run(
          (b, at) -> {
            MatmulOps ops = b.matmul();
            ops.groupedForward(at.of(x), at.of(w), at.of(starts), at.of(y));
            ops.groupedActivatedForward(
                f, at.of(x), at.of(w), at.of(starts), at.of(h), at.of(activated));
            ops.groupedActivatedBackwardInput(
                f, at.of(dy), at.of(w), at.of(starts), at.of(before), at.of(dh));
            ops.groupedBackwardInput(at.of(dy), at.of(w), at.of(starts), false, at.of(dx));
            ops.groupedBackwardInput(at.of(dy), at.of(w), at.of(starts), true, at.of(added));
            ops.groupedBackwardWeight(at.of(dy), at.of(x), at.of(starts), at.of(dw));
          });
      c.check("y", y, Comparison.sumOf(in), Comparison.FEW_ROUNDINGS);
      c.check("dx", dx, Comparison.sumOf(out), Comparison.FEW_ROUNDINGS);
      c.check("dx accumulated", added, Comparison.sumOf(out), Comparison.FEW_ROUNDINGS);
      c.check("dw", dw, Comparison.sumOf(kept), Comparison.FEW_ROUNDINGS);
      c.check("h", h, Comparison.sumOf(in), Comparison.FEW_ROUNDINGS);
      c.check("f(h)", activated, activated(in), Comparison.FEW_ROUNDINGS);
      c.check("dh", dh, activated(out), Comparison.FEW_ROUNDINGS);
    }
  }

  /** Rows past the last expert may hold anything: NaN there must not reach a gradient. */
  @Test
  void droppedRowsNeverReachAWeight() {
    try (Comparison c = compare(SEED, "NaN past offsets[E]")) {
      Pair starts = c.ints(new int[] {0, 3, 5}, 3);
      Pair x = c.normal(9, 6);
      Pair dy = c.normal(9, 4);
      Pair dw = c.normal(FLOAT, 2, 4, 6);
      c.run(
          (b, at) -> {
            b.elementwise().fill(at.of(x.slice(5, 4)), Double.NaN);
            b.elementwise().fill(at.of(dy.slice(5, 4)), Double.NaN);
            b.matmul().groupedBackwardWeight(at.of(dy), at.of(x), at.of(starts), at.of(dw));
          });
      c.check("dw", dw, Comparison.sumOf(5), Comparison.FEW_ROUNDINGS);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {5, 129})
  void repeatedCallsGiveTheSameBits(int rows) {
    try (Comparison c = compare(SEED, "rows " + rows)) {
      Pair x = c.normal(rows, 130);
      Pair w = c.normal(67, 130);
      Pair dy = c.normal(rows, 67);
      Pair y = c.poisoned(rows, 67);
      Pair dx = c.poisoned(rows, 130);
      Pair dw = c.normal(FLOAT, 67, 130);
      Pair dbias = c.normal(FLOAT, 67);
      c.checkRepeatable(
          (b, at) -> {
            b.matmul().forward(at.of(x), at.of(w), null, null, at.of(y));
            b.matmul().backwardInput(at.of(dy), at.of(w), false, at.of(dx));
            b.matmul().backwardWeight(at.of(dy), at.of(x), at.of(dw), at.of(dbias));
          });
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {66, 72})
  void repeatedRouterAndGroupedCallsGiveTheSameBits(int width) {
    try (Comparison c = compare(SEED, "router and experts of width " + width)) {
      Pair starts = c.ints(new int[] {0, 60, 60, 131}, 4);
      Pair x = c.normal(131, width);
      Pair router = c.normal(FLOAT, 3, width);
      Pair logits = c.normal(FLOAT, 131, 3);
      Pair drouter = c.normal(FLOAT, 3, width);
      Pair w = c.normal(3, 67, width);
      Pair y = c.normal(131, 67);
      Pair dx = c.normal(131, width);
      Pair dw = c.normal(FLOAT, 3, 67, width);
      c.checkRepeatable(
          (b, at) -> {
            MatmulOps ops = b.matmul();
            ops.forward(at.of(x), at.of(router), null, null, at.of(logits));
            ops.backwardInput(at.of(logits), at.of(router), true, at.of(dx));
            ops.backwardWeight(at.of(logits), at.of(x), at.of(drouter), null);
            ops.groupedForward(at.of(x), at.of(w), at.of(starts), at.of(y));
            ops.groupedBackwardInput(at.of(y), at.of(w), at.of(starts), true, at.of(dx));
            ops.groupedBackwardWeight(at.of(y), at.of(x), at.of(starts), at.of(dw));
          });
    }
  }

  @Test
  void wrongShapesAreRefusedByName() {
    try (Backend b = open()) {
      MatmulOps ops = b.matmul();
      Tensor x = compute(b, 4, 3);
      Tensor w = compute(b, 2, 3);
      Tensor y = compute(b, 4, 2);
      Tensor wrong = compute(b, 5, 7);
      Tensor dw = b.allocate(2, 3);
      Tensor wrongFloats = b.allocate(5, 7);
      Comparison.assertShapeError("w", () -> ops.forward(x, wrong, null, null, y));
      Comparison.assertShapeError("y", () -> ops.forward(x, w, null, null, wrong));
      Comparison.assertShapeError("bias", () -> ops.forward(x, w, compute(b, 3), null, y));
      Comparison.assertShapeError("residual", () -> ops.forward(x, w, null, wrong, y));
      Activation f = Activation.SILU;
      Comparison.assertShapeError("h:", () -> ops.activatedForward(f, x, w, null, wrong, y));
      Comparison.assertShapeError("y", () -> ops.activatedForward(f, x, w, null, y, wrong));
      Comparison.assertShapeError("h:", () -> ops.activatedBackwardInput(f, y, w, wrong, x));
      Comparison.assertShapeError("w", () -> ops.backwardInput(y, wrong, false, x));
      Comparison.assertShapeError("dx", () -> ops.backwardInput(y, w, false, wrong));
      Comparison.assertShapeError("dw", () -> ops.backwardWeight(y, x, wrongFloats, null));
      Comparison.assertShapeError("dbias", () -> ops.backwardWeight(y, x, dw, b.allocate(9)));
    }
  }

  private static int[] offsets(String counts) {
    String[] parts = counts.split(" ");
    int[] offsets = new int[parts.length + 1];
    for (int e = 0; e < parts.length; e++) {
      offsets[e + 1] = offsets[e] + Integer.parseInt(parts[e]);
    }
    return offsets;
  }
}
