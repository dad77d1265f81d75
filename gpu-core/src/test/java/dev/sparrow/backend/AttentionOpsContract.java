package dev.sparrow.backend;

import static dev.sparrow.backend.Comparison.Type.FLOAT;

import dev.sparrow.backend.AttentionOps.Dropout;
import dev.sparrow.backend.Comparison.Pair;
import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What every backend's attention must do. Outputs are convex combinations of values near 1: 1e-5.
 * Gradients sum over at most {@code length} rows: {@link Comparison#sumOf} 4·length, since each of
 * their terms is itself a difference of sums.
 *
 * <p>The logarithms of sums are in the float type, all else in the compute type. Where that is
 * BF16, P and dS are rounded before tensor cores multiply them, besides the rounding of the
 * results: each term P·V is off by at most {@link Comparison#unit}·P·|V|, an output by a mean of
 * |V|, which is 0.8 for normal values; {@link #OUT_UNITS} misses only that the few large terms of a
 * row are all rounded by the most and the same way. The terms of gradients are P·dO, and s·dS·K and
 * s·dS·Q with s·dS = P·(a few): {@link #GRADIENT_UNITS}. Dropout multiplies what it keeps by
 * 1/(1-p), and so their errors. The backward pass starts from the same output on both sides, the
 * tested one.
 */
abstract class AttentionOpsContract extends Contract {
  private static final long SEED = 501;
  private static final double TOLERANCE = 1e-5;
  private static final double OUT_UNITS = 1.5;
  private static final double GRADIENT_UNITS = 3;

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, 1",
    "2, 3, 1, 5",
    "1, 15, 2, 16",
    "2, 17, 3, 8",
    "3, 16, 2, 7",
    "1, 63, 1, 64",
    "2, 64, 2, 17",
    "2, 65, 2, 32",
    "1, 127, 1, 15",
    "1, 128, 6, 64",
    "1, 129, 2, 16"
  })
  void attentionEqualsTheOracle(int sequences, int length, int heads, int headWidth) {
    check(new AttentionShape(sequences, length, heads, headWidth), Dropout.NONE);
  }

  /** As images' patches are attended to: each sees all of its image. */
  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, 1, 0",
    "2, 3, 1, 5, 0",
    "2, 17, 3, 8, 0",
    "3, 16, 2, 7, 0.25",
    "1, 63, 1, 64, 0",
    "2, 64, 3, 32, 0.25",
    "2, 65, 2, 32, 0",
    "1, 129, 2, 16, 0.25",
    "1, 130, 1, 128, 0"
  })
  void attentionWithoutAMaskEqualsTheOracle(
      int sequences, int length, int heads, int headWidth, double p) {
    check(
        new AttentionShape(sequences, length, heads, headWidth, false),
        p == 0 ? Dropout.NONE : new Dropout(p, Draws.from(new RandomKey(77, 78), 6)));
  }

  @ParameterizedTest
  @CsvSource({"1, 1, 1, 4, 0", "2, 17, 3, 8, 1", "1, 65, 2, 16, 8589934597", "1, 129, 1, 8, 6"})
  void dropoutFollowsTheOraclesMask(
      int sequences, int length, int heads, int headWidth, long counter) {
    check(
        new AttentionShape(sequences, length, heads, headWidth),
        new Dropout(0.25, Draws.from(new RandomKey(77, 78), counter)));
  }

  private void check(AttentionShape shape, Dropout dropout) {
    int rows = shape.sequences() * shape.heads() * shape.length();
    skipWhereSlow(Cost.products(7, rows, shape.length(), shape.headWidth()));
    try (Comparison c = compare(SEED + shape.length(), shape + " " + dropout)) {
      Pair qkv = c.normal(shape.tokens(), 3 * shape.width());
      Pair out = c.poisoned(shape.tokens(), shape.width());
      Pair logSumExp = c.poisoned(FLOAT, shape.sequences() * shape.heads(), shape.length());
      Pair dout = c.normal(shape.tokens(), shape.width());
      Pair dqkv = c.poisoned(shape.tokens(), 3 * shape.width());
      c.run(
          (b, at) ->
              b.attention().forward(shape, at.of(qkv), dropout, at.of(out), at.of(logSumExp)));
      double unit = c.unit() / (1 - dropout.p());
      c.check("out", out, TOLERANCE + OUT_UNITS * unit, TOLERANCE);
      c.check("logSumExp", logSumExp, TOLERANCE, TOLERANCE);
      c.share(out);
      c.share(logSumExp);
      c.run(
          (b, at) -> {
            Tensor o = at.of(out);
            Tensor l = at.of(logSumExp);
            b.attention().backward(shape, at.of(qkv), o, l, at.of(dout), dropout, at.of(dqkv));
          });
      double sums = Comparison.sumOf(4 * shape.length());
      c.check("dqkv", dqkv, TOLERANCE + sums + GRADIENT_UNITS * unit, TOLERANCE);
    }
  }

  /**
   * Scores of some hundreds: exp of them overflows, and their fp32 error of about 300·u = 2e-5
   * comes through the exponential as a relative error of the probabilities: 2e-4. Values are up to
   * 15, and so are the terms that probabilities rounded to bf16 are off by.
   */
  @Test
  void largeScoresDoNotOverflow() {
    AttentionShape shape = new AttentionShape(1, 67, 1, 16);
    try (Comparison c = compare(SEED, "large scores")) {
      Pair qkv = c.uniform(-15, 15, 67, 48);
      Pair out = c.poisoned(67, 16);
      Pair logSumExp = c.poisoned(FLOAT, 1, 67);
      c.run(
          (b, at) ->
              b.attention().forward(shape, at.of(qkv), Dropout.NONE, at.of(out), at.of(logSumExp)));
      c.check("logSumExp", logSumExp, 2e-4, TOLERANCE);
      c.check("out", out, 15 * (2e-4 + c.unit()), TOLERANCE);
    }
  }

  /** A prompt, a single token and a chunk: keys, values and outputs as the oracle's. */
  @ParameterizedTest
  @CsvSource({"1, 1, 4", "2, 3, 8", "3, 2, 17", "1, 4, 64"})
  void cachedAttentionEqualsTheOracle(int sequences, int heads, int headWidth) {
    int width = heads * headWidth;
    int capacity = 71;
    String what = "cache of %d sequences, %d heads of %d".formatted(sequences, heads, headWidth);
    try (Comparison c = compare(SEED, what)) {
      Pair keys = c.uniform(0, 0, sequences, capacity, width);
      Pair values = c.uniform(0, 0, sequences, capacity, width);
      int position = 0;
      for (int length : new int[] {65, 1, 5}) {
        AttentionShape shape = new AttentionShape(sequences, length, heads, headWidth);
        Pair qkv = c.normal(shape.tokens(), 3 * width);
        Pair out = c.poisoned(shape.tokens(), width);
        int at0 = position;
        c.run(
            (b, at) ->
                b.attention()
                    .forwardCached(shape, at.of(qkv), at.of(keys), at.of(values), at0, at.of(out)));
        c.check("out at position " + position, out, TOLERANCE + OUT_UNITS * c.unit(), TOLERANCE);
        position += length;
      }
      c.checkExact("keys", keys);
      c.checkExact("values", values);
    }
  }

  @Test
  void repeatedCallsGiveTheSameBits() {
    AttentionShape shape = new AttentionShape(2, 70, 3, 16);
    try (Comparison c = compare(SEED, shape.toString())) {
      Pair qkv = c.normal(shape.tokens(), 3 * shape.width());
      Pair out = c.poisoned(shape.tokens(), shape.width());
      Pair logSumExp = c.poisoned(FLOAT, 6, 70);
      Pair dqkv = c.poisoned(shape.tokens(), 3 * shape.width());
      c.checkRepeatable(
          (b, at) -> {
            Tensor o = at.of(out);
            Tensor l = at.of(logSumExp);
            b.attention().forward(shape, at.of(qkv), Dropout.NONE, o, l);
            b.attention().backward(shape, at.of(qkv), o, l, o, Dropout.NONE, at.of(dqkv));
          });
    }
  }

  @Test
  void aCacheTakesCausalAttentionAlone() {
    AttentionShape shape = new AttentionShape(1, 4, 1, 2, false);
    try (Backend b = open()) {
      Tensor qkv = compute(b, 4, 6);
      Tensor cache = compute(b, 1, 4, 2);
      Comparison.assertShapeError(
          "cached attention",
          () -> b.attention().forwardCached(shape, qkv, cache, cache, 0, compute(b, 4, 2)));
    }
  }

  @Test
  void wrongShapesAreRefusedByName() {
    AttentionShape shape = new AttentionShape(1, 4, 1, 2);
    try (Backend b = open()) {
      AttentionOps ops = b.attention();
      Tensor qkv = compute(b, 4, 6);
      Tensor out = compute(b, 4, 2);
      Tensor lse = b.allocate(1, 4);
      Tensor wrong = compute(b, 5, 7);
      Tensor wrongFloats = b.allocate(5, 7);
      Dropout none = Dropout.NONE;
      Comparison.assertShapeError("qkv", () -> ops.forward(shape, wrong, none, out, lse));
      Comparison.assertShapeError("out", () -> ops.forward(shape, qkv, none, wrong, lse));
      Comparison.assertShapeError(
          "logSumExp", () -> ops.forward(shape, qkv, none, out, wrongFloats));
      Comparison.assertShapeError(
          "dqkv", () -> ops.backward(shape, qkv, out, lse, out, none, wrong));
      Comparison.assertShapeError(
          "dout", () -> ops.backward(shape, qkv, out, lse, wrong, none, qkv));
    }
  }
}
