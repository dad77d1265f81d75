package dev.sparrow.backend.cpu;

import dev.sparrow.backend.HostPool;
import dev.sparrow.tensor.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Column sums of a matrix, the gradient of a bias. A block of columns is one task and sums its rows
 * in order, in groups that bound the rounding error.
 */
final class ColumnSums {
  private static final VectorSpecies<Float> SPECIES = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  /** Rows summed in registers before they are added to the result. */
  private static final int ROW_GROUP = 128;

  private static final int COLUMN_BLOCK = 64;

  private final HostPool pool;

  ColumnSums(HostPool pool) {
    this.pool = pool;
  }

  /** {@code sums += Σ_rows x}: x (rows, columns), sums (columns). */
  void add(Tensor x, Tensor sums) {
    int rows = x.rows();
    int columns = x.columns();
    float[] xs = HeapStorage.floats(x);
    float[] to = HeapStorage.floats(sums);
    int x0 = HeapStorage.offset(x);
    int to0 = HeapStorage.offset(sums);
    pool.ranges(
        columns,
        COLUMN_BLOCK,
        (from, end) -> {
          for (int row = 0; row < rows; row += ROW_GROUP) {
            int height = Math.min(ROW_GROUP, rows - row);
            addGroup(xs, x0 + row * columns, columns, height, to, to0, from, end);
          }
        });
  }

  private static void addGroup(
      float[] x, int x0, int stride, int rows, float[] to, int to0, int from, int end) {
    int column = from;
    for (; column + 2 * LANES <= end; column += 2 * LANES) {
      addTwoVectors(x, x0 + column, stride, rows, to, to0 + column);
    }
    for (; column < end; column++) {
      float sum = 0;
      for (int r = 0; r < rows; r++) {
        sum += x[x0 + r * stride + column];
      }
      to[to0 + column] += sum;
    }
  }

  private static void addTwoVectors(float[] x, int at, int stride, int rows, float[] to, int to0) {
    FloatVector a = FloatVector.zero(SPECIES);
    FloatVector b = FloatVector.zero(SPECIES);
    for (int r = 0; r < rows; r++, at += stride) {
      a = a.add(FloatVector.fromArray(SPECIES, x, at));
      b = b.add(FloatVector.fromArray(SPECIES, x, at + LANES));
    }
    a.add(FloatVector.fromArray(SPECIES, to, to0)).intoArray(to, to0);
    b.add(FloatVector.fromArray(SPECIES, to, to0 + LANES)).intoArray(to, to0 + LANES);
  }
}
