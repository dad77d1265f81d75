package dev.sparrow.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.UniformPattern;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Runs where {@code -Djna.library.path} or the system has a libmkl_rt. */
class MklCsrTest {
  private static final int BATCH = 5;

  @ParameterizedTest
  @CsvSource({"1, 101", "1, 102", "2, 101", "3, 102"})
  void bothProductsEqualTheDefinition(int threads, int layout) {
    Optional<Mkl> mkl = Mkl.find();
    assumeTrue(mkl.isPresent(), "no libmkl_rt on this machine: the comparison with MKL is off");
    UniformPattern pattern =
        SpmmFormat.ALL.get(0).pattern(new SpmmShape(7, 20, BATCH), 75, new Random(3));
    int[][] rowOf = nonZeros(pattern);
    try (HostPool pool = new HostPool(threads);
        MklCsr rows = MklCsr.ofRows(mkl.get(), pool, pattern, BATCH, layout);
        MklCsr columns = MklCsr.ofColumns(mkl.get(), pool, pattern, BATCH, layout)) {
      check(rows, rowOf, 7, false);
      check(columns, rowOf, 20, true);
    }
  }

  /** (row, column) of each non-zero, by row. */
  private static int[][] nonZeros(UniformPattern pattern) {
    int[][] found = new int[(int) pattern.nonZeros()][];
    for (int i = 0; i < found.length; i++) {
      int row = i / pattern.fanIn();
      found[i] = new int[] {row, pattern.indices()[i]};
    }
    return found;
  }

  private static void check(MklCsr matrix, int[][] nonZeros, int height, boolean transposed) {
    matrix.multiply();
    int[][] inOrder = nonZeros.clone();
    int major = transposed ? 1 : 0;
    Arrays.sort(inOrder, Comparator.comparingInt(at -> at[major]));
    double[][] expected = new double[height][BATCH];
    for (int i = 0; i < inOrder.length; i++) {
      for (int b = 0; b < BATCH; b++) {
        int from = inOrder[i][1 - major];
        expected[inOrder[i][major]][b] += (double) matrix.value(i) * matrix.right(from, b);
      }
    }
    for (int row = 0; row < height; row++) {
      for (int b = 0; b < BATCH; b++) {
        assertEquals(expected[row][b], matrix.result(row, b), 1e-5, row + ", " + b);
      }
    }
  }
}
