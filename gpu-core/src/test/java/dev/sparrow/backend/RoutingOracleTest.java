package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The oracle's routing: backward is the derivative of forward with the choice held fixed. */
class RoutingOracleTest {
  private static final int TOKENS = 5;
  private static final int EXPERTS = 6;
  private static final int K = 3;
  private final ReferenceBackend backend = new ReferenceBackend();
  private final RoutingOps ops = backend.routing();
  private final Oracle oracle = new Oracle(backend, 17);
  private final Tensor logits = oracle.normal(TOKENS, EXPERTS);
  private final Tensor probabilities = oracle.poisoned(TOKENS, EXPERTS);
  private final Tensor weights = oracle.poisoned(TOKENS, K);
  private final Tensor experts = backend.allocate(DType.I32, Shape.of(TOKENS, K));

  /** Through the weights, a given gradient per expert's probabilities, and the z-loss at once. */
  @ParameterizedTest
  @ValueSource(doubles = {0, 1, 2, 3})
  void topKBackwardIsTheDerivativeOfTopK(double normalization) {
    double zLossScale = 0.1;
    Tensor bias = oracle.normal(EXPERTS);
    Tensor dweights = oracle.normal(TOKENS, K);
    Tensor dprobabilities = oracle.normal(EXPERTS);
    Tensor dlogits = oracle.poisoned(TOKENS, EXPERTS);
    ops.topK(logits, bias, normalization, probabilities, weights, experts);
    ops.topKBackward(
        dweights,
        experts,
        weights,
        normalization,
        probabilities,
        dprobabilities,
        zLossScale,
        logits,
        dlogits);
    new FiniteDifferences(
            () -> {
              ops.topK(logits, bias, normalization, probabilities, weights, experts);
              return FiniteDifferences.dot(weights, dweights)
                  + balance(dprobabilities)
                  + zLossScale * squaredLogSumExp();
            })
        .gradient("logits", logits, dlogits)
        .check();
  }

  private double balance(Tensor dprobabilities) {
    double sum = 0;
    for (int t = 0; t < TOKENS; t++) {
      sum += FiniteDifferences.dot(probabilities.slice(t, 1), dprobabilities);
    }
    return sum;
  }

  private double squaredLogSumExp() {
    double sum = 0;
    for (int t = 0; t < TOKENS; t++) {
      double z = ReferenceLossOps.logSumExp(logits, logits.columns(), t);
      sum += z * z;
    }
    return sum;
  }

  @Test
  void gatherAndScatterBackwardAreTheirDerivatives() {
    int k = 2;
    Tensor choice = backend.tensor(new int[] {3, 0, 1, -1, 3, 1, -1, -1}, 4, k);
    Tensor offsets = backend.allocate(DType.I32, Shape.of(5));
    Tensor tokenOf = backend.allocate(DType.I32, Shape.of(8));
    Tensor rowOf = backend.allocate(DType.I32, Shape.of(4, k));
    ops.sort(choice, offsets, tokenOf, rowOf);
    Tensor x = oracle.normal(4, 3);
    Tensor w = oracle.normal(4, k);
    Tensor y = backend.allocate(8, 3);
    Tensor out = oracle.poisoned(4, 3);
    Tensor dout = oracle.normal(4, 3);
    Tensor dy = backend.allocate(8, 3);
    Tensor dw = oracle.poisoned(4, k);
    Tensor dx = oracle.poisoned(4, 3);
    ops.gather(x, rowOf, y);
    ops.scatterBackward(dout, y, rowOf, w, dy, dw);
    ops.gatherBackward(dy, rowOf, false, dx);
    new FiniteDifferences(
            () -> {
              ops.gather(x, rowOf, y);
              ops.scatter(y, rowOf, w, false, out);
              return FiniteDifferences.dot(out, dout);
            })
        .gradient("x", x, dx)
        .gradient("weights", w, dw)
        .check();
  }

  @Test
  void sortIsStableAndGivesDroppedAssignmentsNoRow() {
    Tensor choice = backend.tensor(new int[] {1, -1, 0, 1, -1, 0}, 3, 2);
    Tensor offsets = backend.allocate(DType.I32, Shape.of(3));
    Tensor tokenOf = backend.allocate(DType.I32, Shape.of(6));
    Tensor rowOf = backend.allocate(DType.I32, Shape.of(3, 2));
    ops.sort(choice, offsets, tokenOf, rowOf);
    int[] starts = new int[3];
    int[] tokens = new int[6];
    int[] rows = new int[6];
    backend.downloadSync(offsets, starts, 0);
    backend.downloadSync(tokenOf, tokens, 0);
    backend.downloadSync(rowOf, rows, 0);
    assertArrayEquals(new int[] {0, 2, 4}, starts);
    assertArrayEquals(new int[] {1, 2, 0, 1, 0, 0}, tokens);
    assertArrayEquals(new int[] {2, -1, 0, 3, -1, 1}, rows);
  }

  @Test
  void tiesGoToTheLowerExpert() {
    Tensor equal = backend.allocate(TOKENS, EXPERTS);
    ops.topK(equal, null, 1, probabilities, weights, experts);
    int[] chosen = new int[TOKENS * K];
    backend.downloadSync(experts, chosen, 0);
    assertArrayEquals(new int[] {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2}, chosen);
  }
}
