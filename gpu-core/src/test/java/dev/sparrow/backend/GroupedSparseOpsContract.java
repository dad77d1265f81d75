package dev.sparrow.backend;

import static dev.sparrow.backend.Comparison.Type.FLOAT;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Comparison.Pair;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What every backend's uniformly sparse experts must do, as {@link SparseOpsContract}. */
abstract class GroupedSparseOpsContract extends Contract {
  private static final long SEED = 811;

  /**
   * Rows per expert, then the sizes of a matrix and the format: one expert, empty ones, one that
   * gets all, edges of a tile; single rows, banks, rows that share their columns, some rows off.
   */
  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, 1, 1, 1, 0",
    "5, 5, 7, 3, 1, 5, 0",
    "0, 4, 4, 2, 1, 4, 0",
    "130, 33, 20, 5, 1, 33, 0",
    "0 0 0 9 0, 5, 6, 2, 1, 5, 0",
    "7 0 0, 5, 6, 5, 1, 5, 4",
    "0 0 70, 40, 24, 9, 1, 40, 3",
    "0 1 63 64 65, 48, 17, 3, 1, 16, 0",
    "15 16 17 31 32 33, 300, 31, 130, 1, 300, 7",
    "3 1 40, 256, 140, 40, 2, 128, 0",
    "5 0 66 1, 48, 12, 5, 4, 48, 3",
    "31 97 0 128, 96, 64, 9, 8, 96, 2",
    "2 1, 2100, 8, 40, 4, 2100, 0",
    "300 450 0 33, 40, 24, 9, 1, 40, 3",
    "300 0 700, 48, 12, 20, 4, 48, 0"
  })
  void productsEqualTheOracle(
      String counts, int in, int out, int perBank, int groupRows, int bankColumns, int offEvery) {
    int[] offsets = offsets(counts);
    int experts = offsets.length - 1;
    UniformPattern pattern =
        SparsePatterns.random(SEED, experts * out, in, perBank, groupRows, bankColumns, offEvery);
    productsEqualTheOracle(offsets, out, pattern);
  }

  @Test
  void anExpertWhoseRowsAreAllOffGivesZero() {
    UniformPattern all = SparsePatterns.plain(SEED, 3 * 6, 9, 4);
    int[] first = Arrays.copyOf(UniformPattern.allGroups(18), 6);
    int[] last = Arrays.copyOfRange(UniformPattern.allGroups(18), 13, 18);
    int[] live = Arrays.copyOf(first, 11);
    System.arraycopy(last, 0, live, 6, 5);
    int[] indices = Arrays.copyOf(all.indices(), 11 * 4);
    productsEqualTheOracle(offsets("8 20 3"), 6, new UniformPattern(18, 9, 4, 1, 9, live, indices));
  }

  private void productsEqualTheOracle(int[] offsets, int out, UniformPattern pattern) {
    int experts = offsets.length - 1;
    int in = pattern.columns();
    int kept = offsets[experts];
    int rows = kept + 2; // two dropped assignments, to be left alone
    skipWhereSlow(Cost.products(6, kept, out, in));
    String what = "%d experts, %d rows, out %d, %s".formatted(experts, kept, out, pattern);
    try (Comparison c = compare(SEED + kept, what)) {
      Pair starts = c.ints(offsets, experts + 1);
      Pair x = c.normal(rows, in);
      Pair values = c.normal(pattern.liveRows(), pattern.fanIn());
      Pair dy = c.normal(rows, out);
      Pair y = c.poisoned(rows, out);
      Pair h = c.poisoned(rows, out);
      Pair a = c.poisoned(rows, out);
      Pair dx = c.poisoned(rows, in);
      Pair added = c.normal(rows, in);
      Pair dh = c.poisoned(rows, in);
      Pair dvalues = c.normal(FLOAT, pattern.liveRows(), pattern.fanIn());
      Activation f = Activation.GELU;
      c.run(
          (b, at) -> {
            GroupedSparseOps ops = b.groupedSparse();
            try (SparsePattern p = ops.load(pattern, experts)) {
              Tensor v = at.of(values);
              Tensor o = at.of(starts);
              ops.forward(at.of(x), v, p, o, at.of(y));
              ops.activatedForward(f, at.of(x), v, p, o, at.of(h), at.of(a));
              ops.backwardInput(at.of(dy), v, p, o, false, at.of(dx));
              ops.backwardInput(at.of(dy), v, p, o, true, at.of(added));
              ops.activatedBackwardInput(f, at.of(dy), v, p, o, at.of(x), at.of(dh));
              ops.backwardWeight(at.of(dy), at.of(x), p, o, at.of(dvalues));
            }
          });
      int k = pattern.fanIn();
      c.check("y", y, Comparison.sumOf(k), Comparison.FEW_ROUNDINGS);
      c.check("h", h, Comparison.sumOf(k), Comparison.FEW_ROUNDINGS);
      c.check("f(h)", a, Comparison.sumOf(k), Comparison.FEW_ROUNDINGS);
      c.check("dx", dx, Comparison.sumOf(out), Comparison.FEW_ROUNDINGS);
      c.check("dx accumulated", added, Comparison.sumOf(out), Comparison.FEW_ROUNDINGS);
      c.check("dh", dh, Comparison.sumOf(out), Comparison.FEW_ROUNDINGS);
      c.check("dvalues", dvalues, Comparison.sumOf(kept), Comparison.FEW_ROUNDINGS);
    }
  }

  /** Rows past the last expert may hold anything: NaN there must not reach a gradient. */
  @Test
  void droppedRowsNeverReachAWeight() {
    UniformPattern pattern = SparsePatterns.plain(SEED, 2 * 4, 6, 3);
    try (Comparison c = compare(SEED, "NaN past offsets[E]")) {
      Pair starts = c.ints(new int[] {0, 3, 5}, 3);
      Pair x = c.normal(9, 6);
      Pair dy = c.normal(9, 4);
      Pair dvalues = c.normal(FLOAT, 8, 3);
      c.run(
          (b, at) -> {
            b.elementwise().fill(at.of(x.slice(5, 4)), Double.NaN);
            b.elementwise().fill(at.of(dy.slice(5, 4)), Double.NaN);
            try (SparsePattern p = b.groupedSparse().load(pattern, 2)) {
              b.groupedSparse()
                  .backwardWeight(at.of(dy), at.of(x), p, at.of(starts), at.of(dvalues));
            }
          });
      c.check("dvalues", dvalues, Comparison.sumOf(5), Comparison.FEW_ROUNDINGS);
    }
  }

  @Test
  void wrongSizesAreRefused() {
    UniformPattern pattern = SparsePatterns.plain(SEED, 2 * 6, 5, 2);
    try (Backend b = open();
        SparsePattern p = b.groupedSparse().load(pattern, 2)) {
      GroupedSparseOps ops = b.groupedSparse();
      Tensor values = compute(b, 12, 2);
      Tensor x = compute(b, 4, 5);
      Tensor y = compute(b, 4, 6);
      Tensor o = b.allocate(DType.I32, Shape.of(3));
      refused("x", () -> ops.forward(y, values, p, o, y));
      refused("y", () -> ops.forward(x, values, p, o, x));
      refused("values", () -> ops.forward(x, compute(b, 12, 3), p, o, y));
      refused("dy", () -> ops.backwardInput(x, values, p, o, false, x));
      refused("dx", () -> ops.backwardInput(y, values, p, o, false, y));
      refused("pattern", () -> ops.load(pattern, 5));
    }
  }

  private static void refused(String what, org.junit.jupiter.api.function.Executable op) {
    String message = assertThrows(IllegalArgumentException.class, op).getMessage();
    assertTrue(message.startsWith(what + ": expected"), message);
  }

  static int[] offsets(String counts) {
    String[] parts = counts.split(" ");
    int[] offsets = new int[parts.length + 1];
    for (int e = 0; e < parts.length; e++) {
      offsets[e + 1] = offsets[e] + Integer.parseInt(parts[e]);
    }
    return offsets;
  }
}
