package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.backend.cpu.HeapStorage;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The CPU's uniformly sparse experts, on one thread and on several. */
class CpuGroupedSparseOpsTest {
  @Nested
  class OneThread extends GroupedSparseOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(1);
    }
  }

  @Nested
  class ThreeThreads extends GroupedSparseOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(3);
    }
  }

  @ParameterizedTest
  @CsvSource({"40, 1", "60, 4"})
  void bitsDoNotDependOnTheThreads(int fanIn, int groupRows) {
    UniformPattern pattern = SparsePatterns.random(9, 600, 300, fanIn, groupRows, 300, 11);
    int[] offsets = GroupedSparseOpsContract.offsets("70 0 9");
    float[][] alone = products(1, offsets, pattern);
    float[][] together = products(3, offsets, pattern);
    for (int i = 0; i < alone.length; i++) {
      assertArrayEquals(alone[i], together[i], 0f, "product " + i);
    }
  }

  /** More rows than those that the ungrouped products take without tiles. */
  @Test
  void oneExpertEqualsTheUngroupedProducts() {
    UniformPattern pattern = SparsePatterns.random(9, 70, 90, 20, 1, 90, 11);
    int[] offsets = {0, 70};
    float[][] grouped = products(1, offsets, pattern);
    try (Backend b = new CpuBackend(1);
        SparsePattern p = b.sparse().load(pattern)) {
      Operands at = new Operands(b, 70, 70, pattern);
      b.sparse().forward(at.x, at.values, p, null, null, at.y);
      b.sparse().backwardInput(at.dy, at.values, p, false, at.dx);
      b.sparse().backwardWeight(at.dy, at.x, p, at.dvalues, null);
      float[][] plain = at.results();
      for (int i = 0; i < plain.length; i++) {
        assertArrayEquals(plain[i], grouped[i], 0f, "product " + i);
      }
    }
  }

  private static float[][] products(int threads, int[] offsets, UniformPattern pattern) {
    int experts = offsets.length - 1;
    try (Backend b = new CpuBackend(threads);
        SparsePattern p = b.groupedSparse().load(pattern, experts)) {
      Operands at = new Operands(b, offsets[experts], pattern.rows() / experts, pattern);
      Tensor o = b.allocate(DType.I32, Shape.of(experts + 1));
      b.upload(offsets, 0, o);
      b.groupedSparse().forward(at.x, at.values, p, o, at.y);
      b.groupedSparse().backwardInput(at.dy, at.values, p, o, false, at.dx);
      b.groupedSparse().backwardWeight(at.dy, at.x, p, o, at.dvalues);
      return at.results();
    }
  }

  /** The same numbers for the same sizes. */
  private static final class Operands {
    final Tensor x;
    final Tensor dy;
    final Tensor values;
    final Tensor y;
    final Tensor dx;
    final Tensor dvalues;

    Operands(Backend b, int rows, int out, UniformPattern pattern) {
      RandomValues random = new RandomValues(77);
      x = HeapStorage.wrap(random.normal(rows * pattern.columns()), rows, pattern.columns());
      dy = HeapStorage.wrap(random.normal(rows * out), rows, out);
      int count = (int) pattern.nonZeros();
      values = HeapStorage.wrap(random.normal(count), pattern.liveRows(), pattern.fanIn());
      y = b.allocate(rows, out);
      dx = b.allocate(rows, pattern.columns());
      dvalues = b.allocate(pattern.liveRows(), pattern.fanIn());
    }

    float[][] results() {
      return new float[][] {
        HeapStorage.floats(y).clone(),
        HeapStorage.floats(dx).clone(),
        HeapStorage.floats(dvalues).clone()
      };
    }
  }
}
