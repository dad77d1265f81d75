package dev.sparrow.backend;

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
 */
abstract class AttentionOpsContract {
  private static final long SEED = 501;
  private static final double TOLERANCE = 1e-5;

  protected abstract Backend open();

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

  @ParameterizedTest
  @CsvSource({"1, 1, 1, 4, 0", "2, 17, 3, 8, 1", "1, 65, 2, 16, 8589934597", "1, 129, 1, 8, 6"})
  void dropoutFollowsTheOraclesMask(
      int sequences, int length, int heads, int headWidth, long counter) {
    check(
        new AttentionShape(sequences, length, heads, headWidth),
        new Dropout(0.25, Draws.from(new RandomKey(77, 78), counter)));
  }

  private void check(AttentionShape shape, Dropout dropout) {
    try (Comparison c = new Comparison(open(), SEED + shape.length(), shape + " " + dropout)) {
      Pair qkv = c.normal(shape.tokens(), 3 * shape.width());
      Pair out = c.poisoned(shape.tokens(), shape.width());
      Pair logSumExp = c.poisoned(shape.sequences() * shape.heads(), shape.length());
      Pair dout = c.normal(shape.tokens(), shape.width());
      Pair dqkv = c.poisoned(shape.tokens(), 3 * shape.width());
      c.run(
          (b, at) -> {
            Tensor o = at.of(out);
            Tensor l = at.of(logSumExp);
            b.attention().forward(shape, at.of(qkv), dropout, o, l);
            b.attention().backward(shape, at.of(qkv), o, l, at.of(dout), dropout, at.of(dqkv));
          });
      c.check("out", out, TOLERANCE, TOLERANCE);
      c.check("logSumExp", logSumExp, TOLERANCE, TOLERANCE);
      c.check("dqkv", dqkv, TOLERANCE + Comparison.sumOf(4 * shape.length()), TOLERANCE);
    }
  }

  /**
   * Scores of some hundreds: exp of them overflows, and their fp32 error of about 300·u = 2e-5
   * comes through the exponential as a relative error of the probabilities: 2e-4.
   */
  @Test
  void largeScoresDoNotOverflow() {
    AttentionShape shape = new AttentionShape(1, 67, 1, 16);
    try (Comparison c = new Comparison(open(), SEED, "large scores")) {
      Pair qkv = c.uniform(-15, 15, 67, 48);
      Pair out = c.poisoned(67, 16);
      Pair logSumExp = c.poisoned(1, 67);
      c.run(
          (b, at) ->
              b.attention().forward(shape, at.of(qkv), Dropout.NONE, at.of(out), at.of(logSumExp)));
      c.check("logSumExp", logSumExp, 2e-4, TOLERANCE);
      c.check("out", out, 15 * 2e-4, TOLERANCE);
    }
  }

  /** A prompt, a single token and a chunk: keys, values and outputs as the oracle's. */
  @ParameterizedTest
  @CsvSource({"1, 1, 4", "2, 3, 8", "3, 2, 17", "1, 4, 64"})
  void cachedAttentionEqualsTheOracle(int sequences, int heads, int headWidth) {
    int width = heads * headWidth;
    int capacity = 71;
    String what = "cache of %d sequences, %d heads of %d".formatted(sequences, heads, headWidth);
    try (Comparison c = new Comparison(open(), SEED, what)) {
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
        c.check("out at position " + position, out, TOLERANCE, TOLERANCE);
        position += length;
      }
      c.checkExact("keys", keys);
      c.checkExact("values", values);
    }
  }

  @Test
  void repeatedCallsGiveTheSameBits() {
    AttentionShape shape = new AttentionShape(2, 70, 3, 16);
    try (Comparison c = new Comparison(open(), SEED, shape.toString())) {
      Pair qkv = c.normal(shape.tokens(), 3 * shape.width());
      Pair out = c.poisoned(shape.tokens(), shape.width());
      Pair logSumExp = c.poisoned(6, 70);
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
  void wrongShapesAreRefusedByName() {
    AttentionShape shape = new AttentionShape(1, 4, 1, 2);
    try (Backend b = open()) {
      AttentionOps ops = b.attention();
      Tensor qkv = b.allocate(4, 6);
      Tensor out = b.allocate(4, 2);
      Tensor lse = b.allocate(1, 4);
      Tensor wrong = b.allocate(5, 7);
      Dropout none = Dropout.NONE;
      Comparison.assertShapeError("qkv", () -> ops.forward(shape, wrong, none, out, lse));
      Comparison.assertShapeError("out", () -> ops.forward(shape, qkv, none, wrong, lse));
      Comparison.assertShapeError("logSumExp", () -> ops.forward(shape, qkv, none, out, wrong));
      Comparison.assertShapeError(
          "dqkv", () -> ops.backward(shape, qkv, out, lse, out, none, wrong));
      Comparison.assertShapeError(
          "dout", () -> ops.backward(shape, qkv, out, lse, wrong, none, qkv));
    }
  }
}
