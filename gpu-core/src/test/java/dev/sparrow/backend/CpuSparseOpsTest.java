package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.backend.cpu.HeapStorage;
import dev.sparrow.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The CPU's uniformly sparse products, on one thread, on an even and on an odd number. */
class CpuSparseOpsTest {
  @Nested
  class OneThread extends SparseOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(1);
    }
  }

  @Nested
  class TwoThreads extends SparseOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(2);
    }
  }

  @Nested
  class ThreeThreads extends SparseOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(3);
    }
  }

  /** Batches below a tile, of one, several and waves; dense rows and sparse, shared and not. */
  @ParameterizedTest
  @CsvSource({
    "2, 40, 1",
    "5, 7, 1",
    "70, 130, 1",
    "1, 9, 4",
    "140, 60, 4",
    "1000, 30, 1",
    "800, 60, 4"
  })
  void bitsDoNotDependOnTheThreads(int rows, int fanIn, int groupRows) {
    UniformPattern pattern = SparsePatterns.random(9, 200, 300, fanIn, groupRows, 300, 11);
    float[][] alone = products(1, rows, pattern);
    for (int threads : new int[] {2, 3}) {
      float[][] together = products(threads, rows, pattern);
      for (int i = 0; i < alone.length; i++) {
        assertArrayEquals(alone[i], together[i], 0f, threads + " threads, product " + i);
      }
    }
  }

  /** y, dx, dvalues. */
  private static float[][] products(int threads, int rows, UniformPattern pattern) {
    Random random = new Random(77);
    try (Backend b = new CpuBackend(threads);
        SparsePattern p = b.sparse().load(pattern)) {
      Tensor x = normal(random, rows, pattern.columns());
      Tensor dy = normal(random, rows, pattern.rows());
      Tensor values = normal(random, pattern.liveRows(), pattern.fanIn());
      Tensor y = b.allocate(rows, pattern.rows());
      Tensor dx = b.allocate(rows, pattern.columns());
      Tensor dvalues = b.allocate(pattern.liveRows(), pattern.fanIn());
      b.sparse().forward(x, values, p, null, null, y);
      b.sparse().backwardInput(dy, values, p, false, dx);
      b.sparse().backwardWeight(dy, x, p, dvalues, null);
      return new float[][] {
        HeapStorage.floats(y).clone(),
        HeapStorage.floats(dx).clone(),
        HeapStorage.floats(dvalues).clone()
      };
    }
  }

  private static Tensor normal(Random random, int rows, int columns) {
    float[] values = new float[rows * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return HeapStorage.wrap(values, rows, columns);
  }
}
