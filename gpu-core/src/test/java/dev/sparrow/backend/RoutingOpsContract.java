package dev.sparrow.backend;

import static dev.sparrow.backend.Comparison.Type.FLOAT;

import dev.sparrow.backend.Comparison.Pair;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What every backend's routing must do. A router's numbers, the weights of its choices and their
 * gradients are in the float type; what is moved, and its gradients, in the compute type. In bf16
 * the moves copy bits, and a sum over a token's choices is fp32 until it is rounded once.
 */
abstract class RoutingOpsContract extends Contract {
  private static final long SEED = 901;
  private static final double TWO_ROUNDINGS = 0x1p-22;
  private static final RandomKey KEY = new RandomKey(0x123456789abcdefL, 0xfedcba987654321L);

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, 0",
    "1, 5, 2, 1",
    "3, 5, 5, 1",
    "15, 16, 1, 0",
    "17, 8, 8, 2",
    "16, 15, 3, 1",
    "63, 17, 4, 0",
    "65, 64, 2, 1",
    "128, 7, 4, 3",
    "129, 63, 6, 1",
    "9, 1024, 2, 1"
  })
  void topKEqualsTheOracle(int tokens, int experts, int k, double normalization) {
    String what = "T %d, E %d, k %d, norm %s".formatted(tokens, experts, k, normalization);
    try (Comparison c = compare(SEED + tokens, what)) {
      Pair logits = c.normal(FLOAT, tokens, experts);
      checkTopK(c, logits, null, normalization, k);
    }
  }

  @ParameterizedTest
  @CsvSource({"5, 3, 2, 1", "33, 16, 4, 0", "65, 63, 2, 1"})
  void biasDirectsTheChoiceAlone(int tokens, int experts, int k, double normalization) {
    String what = "biased T %d, E %d, k %d".formatted(tokens, experts, k);
    try (Comparison c = compare(SEED + tokens, what)) {
      Pair logits = c.normal(FLOAT, tokens, experts);
      checkTopK(c, logits, c.normal(FLOAT, experts), normalization, k);
    }
  }

  /**
   * exp(1000) overflows and exp(-1000) is 0: both must do no harm. Only the largest probability is
   * above 0 in fp32 for sure, so that k is 1.
   */
  @Test
  void largeLogitsDoNotOverflow() {
    try (Comparison c = compare(SEED, "large logits")) {
      checkTopK(c, c.uniform(FLOAT, -1000, 1000, 9, 17), null, 0, 1);
    }
  }

  /** Probabilities are one exponential over a fixed-order sum: 1e-5 relative. */
  private void checkTopK(Comparison c, Pair logits, Pair bias, double norm, int k) {
    int tokens = logits.reference().rows();
    int experts = logits.reference().columns();
    skipWhereSlow(Cost.passes(k + 8, tokens * experts));
    Pair probabilities = c.poisoned(FLOAT, tokens, experts);
    Pair weights = c.poisoned(FLOAT, tokens, k);
    Pair chosen = c.integers(-9, -8, tokens, k);
    Pair dweights = c.normal(FLOAT, tokens, k);
    Pair dprobabilities = c.normal(FLOAT, experts);
    Pair dlogits = c.poisoned(FLOAT, tokens, experts);
    Pair plain = c.poisoned(FLOAT, tokens, experts);
    c.run(
        (b, at) -> {
          RoutingOps ops = b.routing();
          Tensor x = at.of(logits);
          Tensor p = at.of(probabilities);
          Tensor w = at.of(weights);
          Tensor e = at.of(chosen);
          ops.topK(x, at.of(bias), norm, p, w, e);
          ops.topKBackward(
              at.of(dweights), e, w, norm, p, at.of(dprobabilities), 0.01, x, at.of(dlogits));
          ops.topKBackward(at.of(dweights), e, w, norm, p, null, 0, x, at.of(plain));
        });
    c.checkInts("experts", chosen);
    // Logits of magnitude m carry m·u each; up to 1000 here.
    double relative = Comparison.FEW_ROUNDINGS + 1000 * 0x1p-22;
    c.check("probabilities", probabilities, 1e-7, relative);
    c.check("weights", weights, 1e-6, relative);
    c.check("dlogits", dlogits, 1e-5, relative);
    c.check("dlogits of the weights alone", plain, 1e-5, relative);
  }

  @Test
  void tiesGoToTheLowerExpert() {
    try (Comparison c = compare(SEED, "equal logits")) {
      Pair logits = c.uniform(FLOAT, 2, 2, 5, 37);
      Pair probabilities = c.poisoned(FLOAT, 5, 37);
      Pair weights = c.poisoned(FLOAT, 5, 4);
      Pair chosen = c.integers(-9, -8, 5, 4);
      c.run(
          (b, at) ->
              b.routing()
                  .topK(
                      at.of(logits), null, 1, at.of(probabilities), at.of(weights), at.of(chosen)));
      c.checkInts("experts", chosen);
      c.check("weights", weights, 0, 1e-6);
    }
  }

  /** The first expert number is -1 where assignments may be dropped. */
  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, 0, 1",
    "3, 5, 2, 0, 7",
    "17, 4, 3, -1, 16",
    "64, 16, 1, -1, 33",
    "65, 3, 2, 0, 65",
    "129, 64, 4, -1, 17",
    "200, 1024, 2, 0, 5",
    "7, 3, 2, -1, 384"
  })
  void movesEqualTheOracle(int tokens, int experts, int k, int first, int width) {
    String what = "T %d, E %d from %d, k %d, width %d".formatted(tokens, experts, first, k, width);
    try (Comparison c = compare(SEED + tokens, what)) {
      checkMoves(c, c.integers(first, experts, tokens, k), experts, width);
    }
  }

  @Test
  void everyAssignmentMayBeDropped() {
    try (Comparison c = compare(SEED, "all dropped")) {
      checkMoves(c, c.integers(-1, 0, 6, 2), 4, 9);
    }
  }

  private void checkMoves(Comparison c, Pair chosen, int experts, int width) {
    int tokens = chosen.reference().rows();
    int k = chosen.reference().columns();
    int rows = tokens * k;
    skipWhereSlow(Cost.passes(12, rows * width));
    Pair offsets = c.integers(-9, -8, experts + 1);
    Pair tokenOf = c.integers(-9, -8, rows);
    Pair rowOf = c.integers(-9, -8, tokens, k);
    c.run((b, at) -> b.routing().sort(at.of(chosen), at.of(offsets), at.of(tokenOf), at.of(rowOf)));
    c.checkInts("offsets", offsets);
    c.checkInts("tokenOf", tokenOf);
    c.checkInts("rowOf", rowOf);

    Pair x = c.normal(tokens, width);
    Pair weights = c.uniform(FLOAT, 0, 1, tokens, k);
    Pair gathered = c.poisoned(rows, width);
    Pair y = c.normal(rows, width);
    Pair out = c.poisoned(tokens, width);
    Pair outAdded = c.normal(tokens, width);
    Pair dout = c.normal(tokens, width);
    Pair dy = c.poisoned(rows, width);
    Pair dweights = c.poisoned(FLOAT, tokens, k);
    Pair dx = c.poisoned(tokens, width);
    Pair dxAdded = c.normal(tokens, width);
    c.run(
        (b, at) -> {
          RoutingOps ops = b.routing();
          Tensor r = at.of(rowOf);
          Tensor w = at.of(weights);
          ops.gather(at.of(x), r, at.of(gathered));
          ops.scatter(at.of(y), r, w, false, at.of(out));
          ops.scatter(at.of(y), r, w, true, at.of(outAdded));
          ops.scatterBackward(at.of(dout), at.of(y), r, w, at.of(dy), at.of(dweights));
          ops.gatherBackward(at.of(y), r, false, at.of(dx));
          ops.gatherBackward(at.of(y), r, true, at.of(dxAdded));
        });
    double sum = Comparison.sumOf(k);
    c.checkExact("gathered", gathered);
    c.check("out", out, sum, Comparison.FEW_ROUNDINGS);
    c.check("out accumulated", outAdded, sum, Comparison.FEW_ROUNDINGS);
    c.check("dy", dy, sum, Comparison.FEW_ROUNDINGS);
    c.check("dweights", dweights, Comparison.sumOf(width), Comparison.FEW_ROUNDINGS);
    c.check("dx", dx, sum, Comparison.FEW_ROUNDINGS);
    c.check("dx accumulated", dxAdded, sum, Comparison.FEW_ROUNDINGS);
  }

  /** Of one and of many experts, among them the first and the last without rows. */
  @ParameterizedTest
  @CsvSource({"1, 1", "3, 5", "64, 1000", "65, 33", "1024, 7"})
  void loadsEqualTheOracle(int experts, int most) {
    try (Comparison c = compare(SEED + experts, "loads of " + experts)) {
      int[] starts = new RandomValues(SEED).integers(experts + 1, 0, most);
      starts[0] = 0;
      starts[1] = 0;
      Arrays.parallelPrefix(starts, Integer::sum);
      starts[experts] = starts[experts - 1];
      Pair offsets = c.ints(starts, experts + 1);
      Pair load = c.integers(-9, -8, experts);
      Pair sums = c.integers(0, 1 << 20, experts);
      Pair dprobabilities = c.poisoned(FLOAT, experts);
      c.run(
          (b, at) -> {
            RoutingOps ops = b.routing();
            ops.load(at.of(offsets), at.of(load));
            ops.addLoad(at.of(load), at.of(sums));
            ops.addLoad(at.of(load), at.of(sums));
            ops.loadBalancingGradient(at.of(load), 0.013, at.of(dprobabilities));
          });
      c.checkInts("load", load);
      c.checkInts("sums", sums);
      c.check("dprobabilities", dprobabilities, 0, TWO_ROUNDINGS);
    }
  }

  /** Counters off every block boundary and past 2^32: the same noise on every backend. */
  @ParameterizedTest
  @CsvSource({
    "1, 0.5, 0",
    "7, 0.01, 1",
    "64, 0.1, 4",
    "129, 0, 3",
    "65, 0.5, 4294967294",
    "131, 0.1, 8589934597",
    "40003, 0.1, 13"
  })
  void jitterFollowsTheOraclesDraws(int size, double epsilon, long counter) {
    skipWhereSlow(Cost.passes(4, size));
    Draws draws = Draws.from(KEY, counter);
    String what = "size %d, epsilon %s, counter %d".formatted(size, epsilon, counter);
    try (Comparison c = compare(SEED, what)) {
      Pair x = c.normal(size);
      Pair out = c.poisoned(size);
      Pair inPlace = c.normal(size);
      Pair added = c.normal(size);
      c.run(
          (b, at) -> {
            b.routing().jitter(at.of(x), epsilon, draws, false, at.of(out));
            b.routing().jitter(at.of(inPlace), epsilon, draws, false, at.of(inPlace));
            b.routing().jitter(at.of(x), epsilon, draws, true, at.of(added));
          });
      // The factor, in [1/2, 3/2), comes from four roundings in fp32, and x makes a fifth.
      c.check("out", out, 0, 2 * TWO_ROUNDINGS);
      c.check("in place", inPlace, 0, 2 * TWO_ROUNDINGS);
      c.check("accumulated", added, Comparison.sumOf(1), 2 * TWO_ROUNDINGS);
    }
  }

  @Test
  void repeatedCallsGiveTheSameBits() {
    try (Comparison c = compare(SEED, "T 129, E 7, k 3, width 33")) {
      Pair logits = c.normal(FLOAT, 129, 7);
      Pair weights = c.poisoned(FLOAT, 129, 3);
      Pair dweights = c.poisoned(FLOAT, 129, 3);
      Pair dlogits = c.poisoned(FLOAT, 129, 7);
      Pair probabilities = c.poisoned(FLOAT, 129, 7);
      Pair experts = c.integers(-9, -8, 129, 3);
      Pair offsets = c.integers(-9, -8, 8);
      Pair tokenOf = c.integers(-9, -8, 387);
      Pair rowOf = c.integers(-9, -8, 129, 3);
      Pair x = c.normal(129, 33);
      Pair y = c.poisoned(387, 33);
      Pair dy = c.poisoned(387, 33);
      Pair out = c.normal(129, 33);
      Pair dx = c.normal(129, 33);
      c.checkRepeatable(
          (b, at) -> {
            RoutingOps ops = b.routing();
            Tensor l = at.of(logits);
            Tensor p = at.of(probabilities);
            Tensor w = at.of(weights);
            Tensor e = at.of(experts);
            Tensor r = at.of(rowOf);
            ops.topK(l, null, 2, p, w, e);
            ops.sort(e, at.of(offsets), at.of(tokenOf), r);
            ops.gather(at.of(x), r, at.of(y));
            ops.scatter(at.of(y), r, w, true, at.of(out));
            ops.scatterBackward(at.of(out), at.of(y), r, w, at.of(dy), at.of(dweights));
            ops.gatherBackward(at.of(dy), r, true, at.of(dx));
            ops.topKBackward(at.of(dweights), e, w, 2, p, null, 0.01, l, at.of(dlogits));
          });
    }
  }

  /**
   * Moves name the op and list all shapes, since tokens, assignments and rows depend on another.
   */
  @Test
  void wrongShapesAreRefusedByName() {
    try (Backend b = open()) {
      RoutingOps ops = b.routing();
      Tensor logits = b.allocate(4, 3);
      Tensor weights = b.allocate(4, 2);
      Tensor experts = b.allocate(DType.I32, Shape.of(4, 2));
      Tensor offsets = b.allocate(DType.I32, Shape.of(4));
      Tensor tokenOf = b.allocate(DType.I32, Shape.of(8));
      Tensor rowOf = b.allocate(DType.I32, Shape.of(4, 2));
      Tensor wrongInts = b.allocate(DType.I32, Shape.of(5));
      Tensor wrongFloats = b.allocate(5, 7);
      Tensor wrong = compute(b, 5, 7);
      Tensor y = compute(b, 8, 6);
      Tensor x = compute(b, 4, 6);
      Comparison.assertShapeError(
          "probabilities", () -> ops.topK(logits, null, 0, wrongFloats, weights, experts));
      Comparison.assertShapeError(
          "experts", () -> ops.topK(logits, null, 0, logits, weights, wrongInts));
      Comparison.assertShapeError(
          "bias", () -> ops.topK(logits, wrongFloats, 0, logits, weights, experts));
      Comparison.assertShapeError("jitter", () -> ops.jitter(x, 0.1, Draws.from(KEY, 0), false, y));
      Comparison.assertShapeError("offsets", () -> ops.load(offsets, wrongInts));
      Comparison.assertShapeError("sums", () -> ops.addLoad(offsets, wrongInts));
      Comparison.assertShapeError(
          "dprobabilities", () -> ops.loadBalancingGradient(offsets, 1, wrongFloats));
      Comparison.assertShapeError("tokenOf", () -> ops.sort(experts, offsets, wrongInts, rowOf));
      Comparison.assertShapeError("rowOf", () -> ops.sort(experts, offsets, tokenOf, wrongInts));
      Comparison.assertShapeError("rowOf", () -> ops.gather(x, wrongInts, y));
      Comparison.assertShapeError("gather", () -> ops.gather(x, rowOf, wrong));
      Comparison.assertShapeError(
          "gatherBackward", () -> ops.gatherBackward(wrong, rowOf, false, x));
      Comparison.assertShapeError("scatter", () -> ops.scatter(wrong, rowOf, weights, false, x));
      Comparison.assertShapeError(
          "dweights", () -> ops.scatterBackward(x, y, rowOf, weights, y, wrongFloats));
    }
  }
}
