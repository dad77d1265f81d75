package dev.sparrow.backend;

import static dev.sparrow.backend.Comparison.Type.FLOAT;

import dev.sparrow.backend.Comparison.Pair;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What every backend's look-ups and positions must do. Tables, activations and their gradients are
 * in the compute type, the tables' gradients in the float type. In bf16 a look-up copies bits, and
 * what is added or turned in place is rounded once.
 */
abstract class EmbeddingOpsContract extends Contract {
  private static final long SEED = 601;

  @ParameterizedTest
  @CsvSource({"1, 1", "3, 7", "65, 16", "2, 1025"})
  void splitTokensEqualTheOracle(int sequences, int length) {
    try (Comparison c = compare(SEED, "%d x %d".formatted(sequences, length))) {
      Pair rows = c.integers(0, 50257, sequences, length + 1);
      Pair inputs = c.integers(-9, -8, sequences * length);
      Pair targets = c.integers(-9, -8, sequences * length);
      c.run((b, at) -> b.embedding().splitTokens(at.of(rows), at.of(inputs), at.of(targets)));
      c.checkInts("inputs", inputs);
      c.checkInts("targets", targets);
    }
  }

  /** Few words and many tokens, so that rows of the gradient meet; and the other way round. */
  @ParameterizedTest
  @CsvSource({
    "1, 1, 1",
    "5, 3, 7",
    "15, 17, 16",
    "129, 2, 65",
    "64, 300, 63",
    "127, 50, 128",
    "33, 1000, 384"
  })
  void lookUpEqualsTheOracle(int tokens, int vocabulary, int width) {
    skipWhereSlow(Cost.passes(4, tokens * width));
    String what = "tokens %d, vocabulary %d, width %d".formatted(tokens, vocabulary, width);
    try (Comparison c = compare(SEED + tokens, what)) {
      Pair ids = c.integers(0, vocabulary, tokens);
      Pair table = c.normal(vocabulary, width);
      Pair out = c.poisoned(tokens, width);
      Pair dout = c.normal(tokens, width);
      Pair dtable = c.normal(FLOAT, vocabulary, width);
      c.run(
          (b, at) -> {
            b.embedding().forward(at.of(ids), at.of(table), at.of(out));
            b.embedding().backward(at.of(ids), at.of(dout), at.of(dtable));
          });
      c.checkExact("out", out);
      c.check("dtable", dtable, Comparison.sumOf(tokens), Comparison.FEW_ROUNDINGS);
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 1, 0, 1", "2, 3, 1, 5", "3, 17, 0, 16", "5, 16, 4, 65", "2, 64, 63, 128"})
  void positionsEqualTheOracle(int sequences, int length, int start, int width) {
    skipWhereSlow(Cost.passes(4, sequences * length * width));
    String what = "%d x %d from %d, width %d".formatted(sequences, length, start, width);
    try (Comparison c = compare(SEED + length, what)) {
      Pair positions = c.normal(start + length + 2, width);
      Pair x = c.normal(sequences * length, width);
      Pair dx = c.normal(sequences * length, width);
      Pair dpositions = c.normal(FLOAT, start + length + 2, width);
      c.run(
          (b, at) -> {
            b.embedding().addPositions(at.of(positions), length, start, at.of(x));
            b.embedding().addPositionsBackward(at.of(dx), length, start, at.of(dpositions));
          });
      c.check("x", x, Comparison.sumOf(1), Comparison.FEW_ROUNDINGS);
      c.check("dpositions", dpositions, Comparison.sumOf(sequences), Comparison.FEW_ROUNDINGS);
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 1, 1", "2, 3, 5", "3, 17, 16", "5, 64, 65", "2, 196, 128"})
  void meansOfSequencesEqualTheOracle(int sequences, int length, int width) {
    skipWhereSlow(Cost.passes(4, sequences * length * width));
    String what = "%d x %d, width %d".formatted(sequences, length, width);
    try (Comparison c = compare(SEED + length, what)) {
      Pair x = c.normal(sequences * length, width);
      Pair out = c.poisoned(sequences, width);
      Pair dout = c.normal(sequences, width);
      Pair dx = c.poisoned(sequences * length, width);
      c.run(
          (b, at) -> {
            b.embedding().mean(at.of(x), length, at.of(out));
            b.embedding().meanBackward(at.of(dout), length, at.of(dx));
          });
      c.check("out", out, Comparison.sumOf(length), Comparison.FEW_ROUNDINGS);
      c.check("dx", dx, Comparison.sumOf(1), Comparison.FEW_ROUNDINGS);
    }
  }

  /**
   * Angles must come from double: the float nearest to an angle of 5000 is off by up to 2.4e-4.
   * Cosine and sine rounded to float, and two products each: 1e-6. Only fp32 shows it: the rounding
   * of a bf16 result is 16 times larger.
   */
  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, 2, 0",
    "2, 3, 2, 6, 5",
    "1, 17, 3, 16, 0",
    "2, 5, 1, 34, 1000",
    "1, 33, 6, 64, 5000"
  })
  void rotaryEqualsTheOracle(int sequences, int length, int heads, int headWidth, int start) {
    AttentionShape shape = new AttentionShape(sequences, length, heads, headWidth);
    skipWhereSlow(Cost.passes(4, 3 * shape.tokens() * shape.width()));
    try (Comparison c = compare(SEED, shape + " from " + start)) {
      Pair qkv = c.normal(shape.tokens(), 3 * shape.width());
      Pair dqkv = c.normal(shape.tokens(), 3 * shape.width());
      c.run(
          (b, at) -> {
            b.embedding().rotary(shape, 10000, start, false, at.of(qkv));
            b.embedding().rotary(shape, 10000, start, true, at.of(dqkv));
          });
      c.check("qkv", qkv, 1e-6, 1e-6);
      c.check("dqkv", dqkv, 1e-6, 1e-6);
    }
  }

  @Test
  void repeatedGradientsGiveTheSameBits() {
    try (Comparison c = compare(SEED, "tokens 257")) {
      Pair ids = c.integers(0, 3, 257);
      Pair dout = c.normal(257, 33);
      Pair dtable = c.normal(FLOAT, 3, 33);
      c.checkRepeatable((b, at) -> b.embedding().backward(at.of(ids), at.of(dout), at.of(dtable)));
    }
  }

  @Test
  void wrongShapesAreRefusedByName() {
    try (Backend b = open()) {
      EmbeddingOps ops = b.embedding();
      Tensor ids = b.allocate(DType.I32, Shape.of(4));
      Tensor table = compute(b, 9, 3);
      Tensor dtable = b.allocate(9, 3);
      Tensor out = compute(b, 4, 3);
      Tensor wrong = compute(b, 5, 7);
      Tensor wrongIds = b.allocate(DType.I32, Shape.of(5));
      Comparison.assertShapeError(
          "inputs", () -> ops.splitTokens(ids.reshape(2, 2), wrongIds, ids.first(2)));
      Comparison.assertShapeError(
          "targets", () -> ops.splitTokens(ids.reshape(2, 2), ids.first(2), wrongIds));
      Comparison.assertShapeError("out", () -> ops.forward(ids, table, wrong));
      Comparison.assertShapeError("dout", () -> ops.backward(ids, wrong, dtable));
      Comparison.assertShapeError("positions", () -> ops.addPositions(table, 4, 6, out));
      AttentionShape shape = new AttentionShape(1, 4, 1, 2);
      Comparison.assertShapeError("qkv", () -> ops.rotary(shape, 10000, 0, false, wrong));
    }
  }
}
