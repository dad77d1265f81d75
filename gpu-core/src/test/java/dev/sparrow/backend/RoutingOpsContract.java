package dev.sparrow.backend;

import dev.sparrow.backend.Comparison.Pair;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What every backend's routing must do. */
abstract class RoutingOpsContract {
  private static final long SEED = 901;

  protected abstract Backend open();

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
    try (Comparison c = new Comparison(open(), SEED + tokens, what)) {
      Pair logits = c.normal(tokens, experts);
      checkTopK(c, logits, null, normalization, k);
    }
  }

  @ParameterizedTest
  @CsvSource({"5, 3, 2, 1", "33, 16, 4, 0", "65, 63, 2, 1"})
  void biasDirectsTheChoiceAlone(int tokens, int experts, int k, double normalization) {
    String what = "biased T %d, E %d, k %d".formatted(tokens, experts, k);
    try (Comparison c = new Comparison(open(), SEED + tokens, what)) {
      checkTopK(c, c.normal(tokens, experts), c.normal(experts), normalization, k);
    }
  }

  /**
   * exp(1000) overflows and exp(-1000) is 0: both must do no harm. Only the largest probability is
   * above 0 in fp32 for sure, so that k is 1.
   */
  @Test
  void largeLogitsDoNotOverflow() {
    try (Comparison c = new Comparison(open(), SEED, "large logits")) {
      checkTopK(c, c.uniform(-1000, 1000, 9, 17), null, 0, 1);
    }
  }

  /** Probabilities are one exponential over a fixed-order sum: 1e-5 relative. */
  private static void checkTopK(Comparison c, Pair logits, Pair bias, double norm, int k) {
    int tokens = logits.reference().rows();
    int experts = logits.reference().columns();
    Pair probabilities = c.poisoned(tokens, experts);
    Pair weights = c.poisoned(tokens, k);
    Pair chosen = c.integers(-9, -8, tokens, k);
    Pair dweights = c.normal(tokens, k);
    Pair dprobabilities = c.normal(experts);
    Pair dlogits = c.poisoned(tokens, experts);
    Pair plain = c.poisoned(tokens, experts);
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
    try (Comparison c = new Comparison(open(), SEED, "equal logits")) {
      Pair logits = c.uniform(2, 2, 5, 37);
      Pair probabilities = c.poisoned(5, 37);
      Pair weights = c.poisoned(5, 4);
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
    try (Comparison c = new Comparison(open(), SEED + tokens, what)) {
      checkMoves(c, c.integers(first, experts, tokens, k), experts, width);
    }
  }

  @Test
  void everyAssignmentMayBeDropped() {
    try (Comparison c = new Comparison(open(), SEED, "all dropped")) {
      checkMoves(c, c.integers(-1, 0, 6, 2), 4, 9);
    }
  }

  private static void checkMoves(Comparison c, Pair chosen, int experts, int width) {
    int tokens = chosen.reference().rows();
    int k = chosen.reference().columns();
    int rows = tokens * k;
    Pair offsets = c.integers(-9, -8, experts + 1);
    Pair sorted = c.integers(-9, -8, rows);
    c.run((b, at) -> b.routing().sort(at.of(chosen), at.of(offsets), at.of(sorted)));
    c.checkInts("offsets", offsets);
    c.checkInts("sorted", sorted);

    Pair x = c.normal(tokens, width);
    Pair weights = c.uniform(0, 1, tokens, k);
    Pair gathered = c.poisoned(rows, width);
    Pair y = c.normal(rows, width);
    Pair out = c.poisoned(tokens, width);
    Pair outAdded = c.normal(tokens, width);
    Pair dout = c.normal(tokens, width);
    Pair dy = c.poisoned(rows, width);
    Pair dweights = c.poisoned(tokens, k);
    Pair dx = c.poisoned(tokens, width);
    Pair dxAdded = c.normal(tokens, width);
    c.run(
        (b, at) -> {
          RoutingOps ops = b.routing();
          Tensor s = at.of(sorted);
          Tensor o = at.of(offsets);
          Tensor w = at.of(weights);
          ops.gather(at.of(x), s, o, k, at.of(gathered));
          ops.scatter(at.of(y), s, o, w, false, at.of(out));
          ops.scatter(at.of(y), s, o, w, true, at.of(outAdded));
          ops.scatterBackward(at.of(dout), at.of(y), s, o, w, at.of(dy), at.of(dweights));
          ops.gatherBackward(at.of(y), s, o, k, false, at.of(dx));
          ops.gatherBackward(at.of(y), s, o, k, true, at.of(dxAdded));
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
      Tensor sorted = b.allocate(DType.I32, Shape.of(8));
      Tensor wrongInts = b.allocate(DType.I32, Shape.of(5));
      Tensor wrong = b.allocate(5, 7);
      Tensor y = b.allocate(8, 6);
      Tensor x = b.allocate(4, 6);
      Comparison.assertShapeError(
          "probabilities", () -> ops.topK(logits, null, 0, wrong, weights, experts));
      Comparison.assertShapeError(
          "experts", () -> ops.topK(logits, null, 0, logits, weights, wrongInts));
      Comparison.assertShapeError(
          "bias", () -> ops.topK(logits, wrong, 0, logits, weights, experts));
      Comparison.assertShapeError("sorted", () -> ops.sort(experts, offsets, wrongInts));
      Comparison.assertShapeError("gather", () -> ops.gather(x, sorted, offsets, 2, wrong));
      Comparison.assertShapeError(
          "scatter", () -> ops.scatter(wrong, sorted, offsets, weights, false, x));
      Comparison.assertShapeError(
          "dweights", () -> ops.scatterBackward(x, y, sorted, offsets, weights, y, wrong));
    }
  }
}
