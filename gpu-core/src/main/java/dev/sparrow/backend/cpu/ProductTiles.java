package dev.sparrow.backend.cpu;

import dev.sparrow.tensor.Tensor;

/**
 * What one tile of each product computes, a call of OpenBLAS; shapes are checked when a body is
 * made. Rows and columns are those of the output, groups are experts.
 */
final class ProductTiles {
  private final Blas blas;

  ProductTiles(Blas blas) {
    this.blas = blas;
  }

  /** {@code y = x·wᵀ (+ bias)}, or {@code +=}. */
  GemmTiles.Body product(Tensor x, Tensor w, Tensor bias, boolean accumulate, Tensor y) {
    int rows = x.rows();
    int in = x.columns();
    int out = w.rows();
    Matrices.check("w", w, out, in);
    Matrices.check("y", y, rows, out);
    float[] xs = HeapStorage.floats(x);
    float[] ws = HeapStorage.floats(w);
    float[] ys = HeapStorage.floats(y);
    float[] bs = bias == null ? null : HeapStorage.floats(Matrices.vector("bias", bias, out));
    int x0 = HeapStorage.offset(x);
    int w0 = HeapStorage.offset(w);
    int y0 = HeapStorage.offset(y);
    int b0 = bias == null ? 0 : HeapStorage.offset(bias);
    // The bias is written first and the product added to it: that takes the place of the pass that
    // clears C, so the bias is free.
    float beta = accumulate || bias != null ? 1 : 0;
    return (group, row, m, column, n) -> {
      int c = y0 + row * out + column;
      if (bs != null) {
        setRows(bs, b0 + column, ys, c, out, m, n, accumulate);
      }
      int a = x0 + row * in;
      int b = w0 + column * in;
      blas.sgemm(false, true, m, n, in, 1, xs, a, in, ws, b, in, beta, ys, c, out);
    };
  }

  /** {@code dx = dy·w}, or {@code +=}. */
  GemmTiles.Body inputGradient(Tensor dy, Tensor w, boolean accumulate, Tensor dx) {
    int rows = dy.rows();
    int out = dy.columns();
    int in = w.columns();
    Matrices.check("w", w, out, in);
    Matrices.check("dx", dx, rows, in);
    float[] dys = HeapStorage.floats(dy);
    float[] ws = HeapStorage.floats(w);
    float[] dxs = HeapStorage.floats(dx);
    int dy0 = HeapStorage.offset(dy);
    int w0 = HeapStorage.offset(w);
    int dx0 = HeapStorage.offset(dx);
    float beta = accumulate ? 1 : 0;
    return (group, row, m, column, n) -> {
      int a = dy0 + row * out;
      int c = dx0 + row * in + column;
      blas.sgemm(false, false, m, n, out, 1, dys, a, out, ws, w0 + column, in, beta, dxs, c, in);
    };
  }

  /** {@code dw += dyᵀ·x}. */
  GemmTiles.Body weightGradient(Tensor dy, Tensor x, Tensor dw) {
    int rows = dy.rows();
    int out = dy.columns();
    int in = x.columns();
    Matrices.check("x", x, rows, in);
    Matrices.check("dw", dw, out, in);
    float[] dys = HeapStorage.floats(dy);
    float[] xs = HeapStorage.floats(x);
    float[] dws = HeapStorage.floats(dw);
    int dy0 = HeapStorage.offset(dy);
    int x0 = HeapStorage.offset(x);
    int dw0 = HeapStorage.offset(dw);
    return (group, row, m, column, n) -> {
      int a = dy0 + row;
      int b = x0 + column;
      int c = dw0 + row * in + column;
      blas.sgemm(true, false, m, n, rows, 1, dys, a, out, xs, b, in, 1, dws, c, in);
    };
  }

  /** An expert's {@code y = x·w[e]ᵀ}. */
  GemmTiles.Body groupedProduct(Tensor x, Tensor w, Tensor offsets, Tensor y) {
    int in = x.columns();
    int out = w.dim(1);
    Matrices.experts(w, offsets, out, in);
    Matrices.check("y", y, x.rows(), out);
    float[] xs = HeapStorage.floats(x);
    float[] ws = HeapStorage.floats(w);
    float[] ys = HeapStorage.floats(y);
    int x0 = HeapStorage.offset(x);
    int w0 = HeapStorage.offset(w);
    int y0 = HeapStorage.offset(y);
    return (expert, row, m, column, n) -> {
      int block = WeightStream.blockRows(m, n, in);
      int a = x0 + row * in;
      for (int o = column; o < column + n; o += block) {
        int count = Math.min(block, column + n - o);
        int b = w0 + (expert * out + o) * in;
        int c = y0 + row * out + o;
        WeightStream.read(ws, b, count, in, in);
        blas.sgemm(false, true, m, count, in, 1, xs, a, in, ws, b, in, 0, ys, c, out);
      }
    };
  }

  /** An expert's {@code dx = dy·w[e]}, or {@code +=}. */
  GemmTiles.Body groupedInputGradient(
      Tensor dy, Tensor w, Tensor offsets, boolean accumulate, Tensor dx) {
    int out = dy.columns();
    int in = w.dim(2);
    Matrices.experts(w, offsets, out, in);
    Matrices.check("dx", dx, dy.rows(), in);
    float[] dys = HeapStorage.floats(dy);
    float[] ws = HeapStorage.floats(w);
    float[] dxs = HeapStorage.floats(dx);
    int dy0 = HeapStorage.offset(dy);
    int w0 = HeapStorage.offset(w);
    int dx0 = HeapStorage.offset(dx);
    return (expert, row, m, column, n) -> {
      int block = WeightStream.blockRows(m, out, n);
      int c = dx0 + row * in + column;
      for (int o = 0; o < out; o += block) {
        int count = Math.min(block, out - o);
        int a = dy0 + row * out + o;
        int b = w0 + (expert * out + o) * in + column;
        float beta = accumulate || o > 0 ? 1 : 0;
        WeightStream.read(ws, b, count, n, in);
        blas.sgemm(false, false, m, n, count, 1, dys, a, out, ws, b, in, beta, dxs, c, in);
      }
    };
  }

  /** An expert's {@code dw[e] += dyᵀ·x} over its rows. */
  GemmTiles.Body groupedWeightGradient(Tensor dy, Tensor x, Tensor offsets, Tensor dw) {
    int out = dy.columns();
    int in = x.columns();
    Matrices.experts(dw, offsets, out, in);
    Matrices.check("x", x, dy.rows(), in);
    float[] dys = HeapStorage.floats(dy);
    float[] xs = HeapStorage.floats(x);
    float[] dws = HeapStorage.floats(dw);
    int[] ends = HeapStorage.ints(offsets);
    int dy0 = HeapStorage.offset(dy);
    int x0 = HeapStorage.offset(x);
    int dw0 = HeapStorage.offset(dw);
    int o0 = HeapStorage.offset(offsets);
    return (expert, row, m, column, n) -> {
      int first = ends[o0 + expert];
      int rows = ends[o0 + expert + 1] - first;
      int a = dy0 + first * out + row;
      int b = x0 + first * in + column;
      int c = dw0 + (expert * out + row) * in + column;
      blas.sgemm(true, false, m, n, rows, 1, dys, a, out, xs, b, in, 1, dws, c, in);
    };
  }

  /** {@code y = bias}, or {@code +=}, in a tile. */
  private static void setRows(
      float[] bias, int from, float[] y, int to, int stride, int rows, int n, boolean accumulate) {
    for (int r = 0; r < rows; r++, to += stride) {
      if (accumulate) {
        for (int i = 0; i < n; i++) {
          y[to + i] += bias[from + i];
        }
      } else {
        System.arraycopy(bias, from, y, to, n);
      }
    }
  }
}
