package dev.sparrow.backend;

import static dev.sparrow.backend.Comparison.Type.FLOAT;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sparrow.backend.Comparison.Pair;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What products that read rows by an index must do, on the backends that have them. */
abstract class GatheredMatmulOpsContract extends Contract {
  private static final long SEED = 301;

  /**
   * Rows per expert, then in and out: empty experts, whole tiles and parts of them, widths that are
   * multiples of 8 and not. Some rows of x are read often, some never.
   */
  @ParameterizedTest
  @CsvSource({
    "1, 1, 1",
    "0, 8, 8",
    "0 5 0, 16, 8",
    "3 0 60 1, 7, 9",
    "31 32 33, 8, 64",
    "129 64 0 1, 72, 40",
    "40 300, 136, 72"
  })
  void resultsAreThoseOfACopyToTheBit(String counts, int in, int out) {
    int[] offsets = offsets(counts);
    int experts = offsets.length - 1;
    int kept = offsets[experts];
    int tokens = kept / 2 + 1;
    int[] index = index(kept, tokens);
    try (Comparison c = compare(SEED + kept, "rows " + counts + ", in " + in + ", out " + out)) {
      Pair starts = c.ints(offsets, experts + 1);
      Pair rows = c.ints(index, index.length);
      Pair x = c.normal(tokens, in);
      Pair copy = c.normal(index.length, in);
      Pair w = c.normal(experts, out, in);
      Pair dy = c.normal(index.length, out);
      Pair y = c.poisoned(index.length, out);
      Pair h = c.poisoned(index.length, out);
      Pair a = c.poisoned(index.length, out);
      Pair dw = c.normal(FLOAT, experts, out, in);
      c.checkSameBits(
          (b, at) -> {
            for (int p = 0; p < kept; p++) {
              b.elementwise().copy(at.of(x).slice(index[p], 1), at.of(copy).slice(p, 1));
            }
            b.matmul().groupedForward(at.of(copy), at.of(w), at.of(starts), at.of(y));
            b.matmul()
                .groupedActivatedForward(
                    Activation.GELU, at.of(copy), at.of(w), at.of(starts), at.of(h), at.of(a));
            b.matmul().groupedBackwardWeight(at.of(dy), at.of(copy), at.of(starts), at.of(dw));
          },
          (b, at) -> {
            GatheredMatmulOps ops = opsOf(b);
            ops.forward(at.of(x), at.of(rows), at.of(w), at.of(starts), at.of(y));
            ops.activatedForward(
                Activation.GELU,
                at.of(x),
                at.of(rows),
                at.of(w),
                at.of(starts),
                at.of(h),
                at.of(a));
            ops.backwardWeight(at.of(dy), at.of(x), at.of(rows), at.of(starts), at.of(dw));
          },
          y,
          h,
          a,
          dw);
    }
  }

  /** A token for each row, and two dropped assignments whose index points nowhere. */
  private static int[] index(int kept, int tokens) {
    int[] index = new RandomValues(SEED).integers(kept + 2, 0, tokens);
    index[kept] = Integer.MAX_VALUE;
    index[kept + 1] = -1;
    return index;
  }

  private static int[] offsets(String counts) {
    String[] parts = counts.split(" ");
    int[] offsets = new int[parts.length + 1];
    for (int e = 0; e < parts.length; e++) {
      offsets[e + 1] = offsets[e] + Integer.parseInt(parts[e]);
    }
    return offsets;
  }

  private static GatheredMatmulOps opsOf(Backend backend) {
    GatheredMatmulOps ops = backend.matmul().gathered();
    assumeTrue(ops != null, "on this device a copy is the faster way");
    return ops;
  }

  @Test
  void wrongShapesAreRefusedByName() {
    try (Backend b = open()) {
      GatheredMatmulOps ops = opsOf(b);
      Tensor x = compute(b, 4, 3);
      Tensor w = compute(b, 2, 5, 3);
      Tensor y = compute(b, 6, 5);
      Tensor dw = b.allocate(2, 5, 3);
      Tensor wrong = compute(b, 2, 5, 4);
      Tensor rows = b.allocate(DType.I32, Shape.of(6));
      Tensor offsets = b.allocate(DType.I32, Shape.of(3));
      Comparison.assertShapeError("w", () -> ops.forward(x, rows, wrong, offsets, y));
      Comparison.assertShapeError("w", () -> ops.forward(x, rows, w, rows, y));
      Comparison.assertShapeError("rows", () -> ops.forward(x, offsets, w, offsets, y));
      Comparison.assertShapeError("y", () -> ops.forward(x, rows, w, offsets, compute(b, 6, 4)));
      Comparison.assertShapeError("dw", () -> ops.backwardWeight(y, x, rows, offsets, wrong));
      Comparison.assertShapeError("rows", () -> ops.backwardWeight(y, x, offsets, offsets, dw));
      Comparison.assertShapeError(
          "dy", () -> ops.backwardWeight(compute(b, 6, 4), x, rows, offsets, dw));
    }
  }
}
