package dev.sparrow.backend;

import static dev.sparrow.backend.Comparison.Type.COMPUTE;
import static dev.sparrow.backend.Comparison.Type.FLOAT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Comparison.Type;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What must hold of routing whatever the numbers are; needs no oracle. Bits stay bits in either
 * type: what is moved is in the compute type, what a router decides in the float type.
 */
abstract class RoutingInvariantsContract extends Contract {
  private static final long SEED = 1001;
  private Backend backend;

  @BeforeEach
  void openBackend() {
    backend = open();
  }

  @AfterEach
  void closeBackend() {
    backend.close();
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1",
    "1, 1024, 8",
    "5, 3, 3",
    "64, 16, 2",
    "129, 7, 4",
    "257, 1024, 1",
    "300, 64, 8"
  })
  void assignmentsArePermutedAndNoneIsLost(int tokens, int experts, int k) {
    int[] chosen = choose(new RandomValues(SEED).normal(tokens * experts), tokens, experts, k);
    Sorted sorted = sort(chosen, tokens, experts, k);
    assertEquals(tokens * k, sorted.offsets()[experts], "counts sum to T·k, seed " + SEED);
    checkStablePermutation(chosen, sorted);
  }

  @Test
  void allTokensMayGoToOneExpert() {
    int[] chosen = new int[130];
    Arrays.fill(chosen, 2);
    Sorted sorted = sort(chosen, 130, 5, 1);
    assertArrayEquals(new int[] {0, 0, 0, 130, 130, 130}, sorted.offsets());
    checkStablePermutation(chosen, sorted);
  }

  /** The loads of a skewed real batch and of tile edges; the last expert is empty. */
  @Test
  void skewedLoadsAreCounted() {
    int[] loads = {219, 2246, 5, 8103, 1, 1117, 4693, 0, 127, 128, 129, 0};
    int[] chosen =
        IntStream.range(0, loads.length)
            .flatMap(e -> IntStream.generate(() -> e).limit(loads[e]))
            .toArray();
    shuffle(chosen);
    Sorted sorted = sort(chosen, chosen.length, loads.length, 1);
    for (int e = 0; e < loads.length; e++) {
      assertEquals(loads[e], sorted.offsets()[e + 1] - sorted.offsets()[e], "load of expert " + e);
    }
    checkStablePermutation(chosen, sorted);
  }

  @Test
  void aTokensChoicesAreDistinct() {
    int[] chosen = choose(new RandomValues(SEED).normal(50 * 9), 50, 9, 8);
    for (int t = 0; t < 50; t++) {
      assertEquals(8, Arrays.stream(chosen, t * 8, t * 8 + 8).distinct().count(), "token " + t);
    }
  }

  /** Unit weights and k = 1: every token comes back bit for bit. */
  @ParameterizedTest
  @CsvSource({"1, 1, 1", "1, 1024, 5", "37, 3, 17", "129, 64, 65", "200, 1024, 128"})
  void gatherThenScatterIsTheIdentity(int tokens, int experts, int width) {
    RandomValues random = new RandomValues(SEED);
    Sorted sorted = sort(random.integers(tokens, 0, experts), tokens, experts, 1);
    Tensor x = computed(random.normal(tokens * width), tokens, width);
    float[] values = download(x);
    Tensor y = nan(COMPUTE, tokens, width);
    Tensor out = nan(COMPUTE, tokens, width);
    Tensor ones = backend.allocate(tokens, 1);
    backend.elementwise().fill(ones, 1);
    RoutingOps ops = backend.routing();
    ops.gather(x, sorted.rowOf(), y);
    ops.scatter(y, sorted.rowOf(), ones, false, out);
    assertArrayEquals(values, download(out), "seed " + SEED);
    Tensor back = nan(COMPUTE, tokens, width);
    ops.gatherBackward(y, sorted.rowOf(), false, back);
    assertArrayEquals(values, download(back), "gatherBackward, seed " + SEED);
  }

  /** Tokens in another order, with their choices, give the same outputs in that order. */
  @Test
  void permutedTokensGivePermutedOutputs() {
    int tokens = 61;
    int k = 3;
    int width = 19;
    RandomValues random = new RandomValues(SEED);
    float[] x = random.normal(tokens * width);
    float[] weights = random.uniform(tokens * k, 0, 1);
    int[] chosen = choose(random.normal(tokens * 11), tokens, 11, k);
    int[] order = IntStream.range(0, tokens).toArray();
    shuffle(order);
    float[] plain = throughExperts(x, weights, chosen, k, width);
    float[] expected = permuted(plain, order, width);
    int[] movedChoices = new int[chosen.length];
    for (int t = 0; t < tokens; t++) {
      System.arraycopy(chosen, order[t] * k, movedChoices, t * k, k);
    }
    float[] moved =
        throughExperts(
            permuted(x, order, width), permuted(weights, order, k), movedChoices, k, width);
    assertArrayEquals(expected, moved, "seed " + SEED);
  }

  /** Gather, and scatter back with the weights. */
  private float[] throughExperts(float[] x, float[] weights, int[] chosen, int k, int width) {
    int tokens = chosen.length / k;
    Sorted sorted = sort(chosen, tokens, 11, k);
    Tensor y = nan(COMPUTE, chosen.length, width);
    Tensor out = nan(COMPUTE, tokens, width);
    backend.routing().gather(computed(x, tokens, width), sorted.rowOf(), y);
    backend.routing().scatter(y, sorted.rowOf(), floats(weights, tokens, k), false, out);
    return download(out);
  }

  /** Lp-normalised weights have norm 1, largest first; unnormalised ones are the probabilities. */
  @ParameterizedTest
  @CsvSource({"1", "2"})
  void normalisedWeightsHaveNormOne(double p) {
    int tokens = 33;
    int k = 4;
    Tensor logits = floats(new RandomValues(SEED).normal(tokens * 9), tokens, 9);
    Tensor weights = nan(FLOAT, tokens, k);
    Tensor experts = backend.allocate(DType.I32, Shape.of(tokens, k));
    backend.routing().topK(logits, null, p, nan(FLOAT, tokens, 9), weights, experts);
    float[] w = download(weights);
    for (int t = 0; t < tokens; t++) {
      double norm = 0;
      for (int j = 0; j < k; j++) {
        norm += Math.pow(w[t * k + j], p);
        assertTrue(j == 0 || w[t * k + j] <= w[t * k + j - 1], "order of token " + t);
      }
      assertEquals(1, norm, 1e-5, "token " + t + ", seed " + SEED);
    }
  }

  private record Sorted(Tensor rowOf, int[] offsets, int[] order) {}

  private int[] choose(float[] values, int tokens, int experts, int k) {
    Tensor logits = floats(values, tokens, experts);
    Tensor chosen = backend.allocate(DType.I32, Shape.of(tokens, k));
    Tensor probabilities = nan(FLOAT, tokens, experts);
    backend.routing().topK(logits, null, 1, probabilities, nan(FLOAT, tokens, k), chosen);
    return downloadInts(chosen);
  }

  private Sorted sort(int[] chosen, int tokens, int experts, int k) {
    Tensor choices = backend.allocate(DType.I32, Shape.of(tokens, k));
    backend.upload(chosen, 0, choices);
    Tensor starts = backend.allocate(DType.I32, Shape.of(experts + 1));
    Tensor tokenOf = backend.allocate(DType.I32, Shape.of(tokens * k));
    Tensor rowOf = backend.allocate(DType.I32, Shape.of(tokens, k));
    backend.routing().sort(choices, starts, tokenOf, rowOf);
    int[] order = inverse(downloadInts(rowOf));
    assertArrayEquals(Arrays.stream(order).map(a -> a / k).toArray(), downloadInts(tokenOf));
    return new Sorted(rowOf, downloadInts(starts), order);
  }

  private static int[] inverse(int[] rows) {
    int[] order = new int[rows.length];
    Arrays.fill(order, -1);
    for (int a = 0; a < rows.length; a++) {
      order[rows[a]] = a;
    }
    return order;
  }

  /** Every assignment once, in its expert's rows, ascending there. */
  private static void checkStablePermutation(int[] chosen, Sorted sorted) {
    int[] once = sorted.order().clone();
    Arrays.sort(once);
    assertArrayEquals(IntStream.range(0, chosen.length).toArray(), once);
    for (int e = 0; e + 1 < sorted.offsets().length; e++) {
      for (int row = sorted.offsets()[e]; row < sorted.offsets()[e + 1]; row++) {
        assertEquals(e, chosen[sorted.order()[row]], "expert of row " + row);
        boolean first = row == sorted.offsets()[e];
        assertTrue(first || sorted.order()[row] > sorted.order()[row - 1], "order at row " + row);
      }
    }
  }

  private static void shuffle(int[] values) {
    Random random = new Random(SEED);
    for (int i = values.length - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int swapped = values[i];
      values[i] = values[j];
      values[j] = swapped;
    }
  }

  private static float[] permuted(float[] rows, int[] order, int width) {
    float[] moved = new float[rows.length];
    for (int t = 0; t < order.length; t++) {
      System.arraycopy(rows, order[t] * width, moved, t * width, width);
    }
    return moved;
  }

  private Tensor floats(float[] values, int... dims) {
    Tensor tensor = backend.allocate(dims);
    backend.upload(values, 0, tensor);
    return tensor;
  }

  private Tensor computed(float[] values, int... dims) {
    Tensor tensor = compute(backend, dims);
    backend.upload(values, 0, tensor);
    return tensor;
  }

  private Tensor nan(Type type, int... dims) {
    Tensor tensor = backend.allocate(type.of(backend), Shape.of(dims));
    backend.elementwise().fill(tensor, Double.NaN);
    return tensor;
  }

  private float[] download(Tensor tensor) {
    float[] values = new float[(int) tensor.size()];
    backend.downloadSync(tensor, values, 0);
    return values;
  }

  private int[] downloadInts(Tensor tensor) {
    int[] values = new int[(int) tensor.size()];
    backend.downloadSync(tensor, values, 0);
    return values;
  }
}
