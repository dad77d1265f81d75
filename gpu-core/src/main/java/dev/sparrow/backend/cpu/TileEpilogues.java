package dev.sparrow.backend.cpu;

import dev.sparrow.backend.Activation;
import dev.sparrow.tensor.Tensor;

/**
 * What is done to a tile of a product while it is still in the cache, row by row; to be run behind
 * the product. Matrices are of the product's size, rows of {@code columns} elements.
 */
final class TileEpilogues {
  private TileEpilogues() {}

  /** {@code y = f(h)}. */
  static GemmTiles.Body activate(Activation f, Tensor h, Tensor y) {
    float[] hs = HeapStorage.floats(h);
    float[] ys = HeapStorage.floats(y);
    int h0 = HeapStorage.offset(h);
    int y0 = HeapStorage.offset(y);
    return eachRow(h.columns(), (at, n) -> ActivationLoops.forward(f, hs, h0 + at, ys, y0 + at, n));
  }

  /** {@code dy ⊙= f'(h)}. */
  static GemmTiles.Body activateBackward(Activation f, Tensor h, Tensor dy) {
    float[] hs = HeapStorage.floats(h);
    float[] dys = HeapStorage.floats(dy);
    int h0 = HeapStorage.offset(h);
    int dy0 = HeapStorage.offset(dy);
    return eachRow(
        h.columns(),
        (at, n) -> ActivationLoops.backward(f, hs, h0 + at, dys, dy0 + at, dys, dy0 + at, n));
  }

  /** {@code y += residual}. */
  static GemmTiles.Body add(Tensor residual, Tensor y) {
    float[] rs = HeapStorage.floats(residual);
    float[] ys = HeapStorage.floats(y);
    int r0 = HeapStorage.offset(residual);
    int y0 = HeapStorage.offset(y);
    return eachRow(y.columns(), (at, n) -> RowOps.add(rs, r0 + at, ys, y0 + at, ys, y0 + at, n));
  }

  /** A run of one row. */
  private interface Run {
    /**
     * @param at first element, counted from the matrix's first
     */
    void run(int at, int n);
  }

  private static GemmTiles.Body eachRow(int columns, Run run) {
    return (group, row, rows, column, n) -> {
      for (int r = row; r < row + rows; r++) {
        run.run(r * columns + column, n);
      }
    };
  }
}
