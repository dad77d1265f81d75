package dev.sparrow.backend.cpu;

import dev.sparrow.backend.AttentionOps;
import dev.sparrow.backend.AttentionShape;
import dev.sparrow.backend.Philox;
import dev.sparrow.tensor.Tensor;

/**
 * Attention in blocks of queries. The scores of one block against the keys that it sees are one
 * product into a thread's scratch tile, sized for the second-level cache; the keys past the block
 * are never touched. Forward tasks are (sequence, head, block), longest blocks first; backward
 * tasks are (sequence, head), since all blocks of a head add to its keys' gradient.
 */
final class CpuAttentionOps implements AttentionOps {
  /** Queries of a block; more of them waste more products on masked pairs. */
  private static final int MOST_QUERIES = 64;

  private static final int FEWEST_QUERIES = 16;

  /** Elements of a scores tile, 256 KB. */
  private static final int TILE = 1 << 16;

  private final CpuPool pool;
  private final Blas blas;
  private final float[][] scores;
  private final float[][] gradients;
  private final float[][] draws;
  private final int[][] fours;
  private final float[][] rowScales;

  CpuAttentionOps(CpuPool pool, Blas blas) {
    this.pool = pool;
    this.blas = blas;
    this.scores = new float[pool.threads()][0];
    this.gradients = new float[pool.threads()][0];
    this.draws = new float[pool.threads()][0];
    this.fours = new int[pool.threads()][4];
    this.rowScales = new float[pool.threads()][MOST_QUERIES];
  }

  @Override
  public void forward(
      AttentionShape shape, Tensor qkv, Dropout dropout, Tensor out, Tensor logSumExp) {
    int width = shape.width();
    Matrices.check("qkv", qkv, shape.tokens(), 3 * width);
    Matrices.check("out", out, shape.tokens(), width);
    Matrices.vector("logSumExp", logSumExp, shape.sequences() * shape.heads() * shape.length());
    float[] x = HeapStorage.floats(qkv);
    int x0 = HeapStorage.offset(qkv);
    Source queries = new Source(x, x0, shape.length(), 3 * width);
    Source keys = new Source(x, x0 + width, shape.length(), 3 * width);
    Source values = new Source(x, x0 + 2 * width, shape.length(), 3 * width);
    attend(shape, queries, keys, values, 0, dropout, out, logSumExp);
  }

  @Override
  public void forwardCached(
      AttentionShape shape, Tensor qkv, Tensor keys, Tensor values, int position, Tensor out) {
    int width = shape.width();
    int capacity = keys.dim(1);
    Matrices.check("qkv", qkv, shape.tokens(), 3 * width);
    Matrices.check("out", out, shape.tokens(), width);
    Matrices.check("keys", keys, shape.sequences() * capacity, width);
    Matrices.check("values", values, shape.sequences() * capacity, width);
    if (position < 0 || position > capacity - shape.length()) {
      throw new IllegalArgumentException(
          "position: expected 0 to %d for %d new tokens in a cache of %d, got %d"
              .formatted(capacity - shape.length(), shape.length(), capacity, position));
    }
    float[] x = HeapStorage.floats(qkv);
    int x0 = HeapStorage.offset(qkv);
    Source cachedKeys =
        new Source(HeapStorage.floats(keys), HeapStorage.offset(keys), capacity, width);
    Source cachedValues =
        new Source(HeapStorage.floats(values), HeapStorage.offset(values), capacity, width);
    for (int s = 0; s < shape.sequences(); s++) {
      for (int t = 0; t < shape.length(); t++) {
        int row = x0 + (s * shape.length() + t) * 3 * width;
        System.arraycopy(x, row + width, cachedKeys.array, cachedKeys.row(s, position + t), width);
        System.arraycopy(
            x, row + 2 * width, cachedValues.array, cachedValues.row(s, position + t), width);
      }
    }
    Source queries = new Source(x, x0, shape.length(), 3 * width);
    attend(shape, queries, cachedKeys, cachedValues, position, Dropout.NONE, out, null);
  }

  /** Rows of all sequences in one array: row t of sequence s, its heads side by side. */
  private record Source(float[] array, int offset, int rows, int stride) {
    int row(int sequence, int t) {
      return offset + (sequence * rows + t) * stride;
    }
  }

  /**
   * @param position position of each sequence's first query; keys start at 0
   */
  private void attend(
      AttentionShape shape,
      Source queries,
      Source keys,
      Source values,
      int position,
      Dropout dropout,
      Tensor out,
      Tensor logSumExp) {
    int length = shape.length();
    int heads = shape.sequences() * shape.heads();
    int stride = AttentionRows.stride(position + length);
    int block = reserve(scores, length, stride);
    reserveDraws(dropout, stride);
    int blocks = (length + block - 1) / block;
    float[] lse = logSumExp == null ? null : HeapStorage.floats(logSumExp);
    int lse0 = logSumExp == null ? 0 : HeapStorage.offset(logSumExp);
    float[] y = HeapStorage.floats(out);
    int y0 = HeapStorage.offset(out);
    pool.forEach(
        heads * blocks,
        task -> {
          int from = (blocks - 1 - task / heads) * block;
          int rows = Math.min(block, length - from);
          int head = task % heads;
          attendBlock(
              shape, queries, keys, values, position, head, from, rows, dropout, y, y0, lse, lse0);
        });
  }

  /** One block of queries: {@code O = softmax(s·Q·Kᵀ)·V}, normalised last, on the narrow side. */
  private void attendBlock(
      AttentionShape shape,
      Source queries,
      Source keys,
      Source values,
      int position,
      int head,
      int from,
      int rows,
      Dropout dropout,
      float[] y,
      int y0,
      float[] lse,
      int lse0) {
    int d = shape.headWidth();
    int width = shape.width();
    int sequence = head / shape.heads();
    int column = head % shape.heads() * d;
    int seen = position + from + rows;
    int stride = AttentionRows.stride(seen);
    int slot = pool.slot();
    float[] p = scores[slot];
    blas.sgemm(
        false,
        true,
        rows,
        seen,
        d,
        scale(shape),
        queries.array,
        queries.row(sequence, from) + column,
        queries.stride,
        keys.array,
        keys.row(sequence, 0) + column,
        keys.stride,
        0,
        p,
        0,
        stride);
    int out = y0 + (sequence * shape.length() + from) * width + column;
    float[] scales = rowScales[slot]; // 1 / Σ exp
    for (int i = 0; i < rows; i++) {
      int valid = position + from + i + 1;
      float max = AttentionRows.max(p, i * stride, valid);
      float sum = AttentionRows.exp(p, i * stride, valid, stride, max);
      scales[i] = 1 / sum;
      long row = (long) head * shape.length() + from + i;
      if (lse != null) {
        lse[lse0 + (int) row] = max + (float) Math.log(sum);
      }
      if (dropout.p() > 0) {
        draw(dropout, row * shape.length(), valid, slot);
        AttentionRows.multiply(p, i * stride, draws[slot], valid);
      }
    }
    blas.sgemm(
        false,
        false,
        rows,
        d,
        seen,
        1,
        p,
        0,
        stride,
        values.array,
        values.row(sequence, 0) + column,
        values.stride,
        0,
        y,
        out,
        width);
    for (int i = 0; i < rows; i++) {
      AttentionRows.scale(y, out + i * width, d, scales[i]);
    }
  }

  @Override
  public void backward(
      AttentionShape shape,
      Tensor qkv,
      Tensor out,
      Tensor logSumExp,
      Tensor dout,
      Dropout dropout,
      Tensor dqkv) {
    int width = shape.width();
    int heads = shape.sequences() * shape.heads();
    Matrices.check("qkv", qkv, shape.tokens(), 3 * width);
    Matrices.check("out", out, shape.tokens(), width);
    Matrices.vector("logSumExp", logSumExp, heads * shape.length());
    Matrices.check("dout", dout, shape.tokens(), width);
    Matrices.check("dqkv", dqkv, shape.tokens(), 3 * width);
    int stride = AttentionRows.stride(shape.length());
    int block = reserve(scores, shape.length(), stride);
    reserve(gradients, shape.length(), stride);
    reserveDraws(dropout, stride);
    Backward arrays =
        new Backward(
            HeapStorage.floats(qkv),
            HeapStorage.offset(qkv),
            HeapStorage.floats(out),
            HeapStorage.offset(out),
            HeapStorage.floats(logSumExp),
            HeapStorage.offset(logSumExp),
            HeapStorage.floats(dout),
            HeapStorage.offset(dout),
            HeapStorage.floats(dqkv),
            HeapStorage.offset(dqkv));
    pool.forEach(
        heads,
        head -> {
          int last = (shape.length() - 1) / block * block;
          for (int from = last; from >= 0; from -= block) {
            int rows = Math.min(block, shape.length() - from);
            backwardBlock(shape, arrays, dropout, head, from, rows, from == last ? 0 : 1);
          }
        });
  }

  /** Arrays and first elements of a backward call. */
  private record Backward(
      float[] qkv,
      int qkv0,
      float[] out,
      int out0,
      float[] lse,
      int lse0,
      float[] dout,
      int dout0,
      float[] dqkv,
      int dqkv0) {}

  /**
   * One block of queries. Blocks run from the last, which sees all keys, to the first, so that the
   * first product into the keys' and values' gradients assigns and the others add.
   */
  private void backwardBlock(
      AttentionShape shape, Backward a, Dropout dropout, int head, int from, int rows, float beta) {
    int d = shape.headWidth();
    int width = shape.width();
    int packed = 3 * width;
    int first = head / shape.heads() * shape.length(); // the sequence's first token
    int column = head % shape.heads() * d;
    int seen = from + rows;
    int stride = AttentionRows.stride(seen);
    int slot = pool.slot();
    float[] p = scores[slot];
    float[] ds = gradients[slot];
    float s = scale(shape);
    int queries = (first + from) * packed + column;
    int keys = first * packed + width + column;
    int values = keys + width;
    int outs = (first + from) * width + column;
    // S = s·Q·Kᵀ and dP = dO·Vᵀ
    blas.sgemm(
        false,
        true,
        rows,
        seen,
        d,
        s,
        a.qkv,
        a.qkv0 + queries,
        packed,
        a.qkv,
        a.qkv0 + keys,
        packed,
        0,
        p,
        0,
        stride);
    blas.sgemm(
        false,
        true,
        rows,
        seen,
        d,
        1,
        a.dout,
        a.dout0 + outs,
        width,
        a.qkv,
        a.qkv0 + values,
        packed,
        0,
        ds,
        0,
        stride);
    recompute(p, rows, from, stride, a.lse, a.lse0 + head * shape.length() + from);
    scoreGradients(shape, a, dropout, head, from, rows, outs, slot);
    // dV = Pᵀ·dO, dQ = s·dS·K, dK = s·dSᵀ·Q
    blas.sgemm(
        true,
        false,
        seen,
        d,
        rows,
        1,
        p,
        0,
        stride,
        a.dout,
        a.dout0 + outs,
        width,
        beta,
        a.dqkv,
        a.dqkv0 + values,
        packed);
    blas.sgemm(
        false,
        false,
        rows,
        d,
        seen,
        s,
        ds,
        0,
        stride,
        a.qkv,
        a.qkv0 + keys,
        packed,
        0,
        a.dqkv,
        a.dqkv0 + queries,
        packed);
    blas.sgemm(
        true,
        false,
        seen,
        d,
        rows,
        s,
        ds,
        0,
        stride,
        a.qkv,
        a.qkv0 + queries,
        packed,
        beta,
        a.dqkv,
        a.dqkv0 + keys,
        packed);
  }

  // The row loops below are methods of their own: inlined into one, they exceed what the compiler
  // takes at once, and vectors that cross a call are boxed.

  /** {@code P = exp(S - L)}. */
  private static void recompute(float[] p, int rows, int from, int stride, float[] lse, int lse0) {
    for (int i = 0; i < rows; i++) {
      AttentionRows.exp(p, i * stride, from + i + 1, stride, lse[lse0 + i]);
    }
  }

  /** {@code dS = P ⊙ (dP - D)} in place of dP, and P as the values saw it, after dropout. */
  private void scoreGradients(
      AttentionShape shape,
      Backward a,
      Dropout dropout,
      int head,
      int from,
      int rows,
      int outs,
      int slot) {
    int stride = AttentionRows.stride(from + rows);
    for (int i = 0; i < rows; i++) {
      int valid = from + i + 1;
      int at = outs + i * shape.width();
      float dot = AttentionRows.dot(a.dout, a.dout0 + at, a.out, a.out0 + at, shape.headWidth());
      if (dropout.p() > 0) {
        long row = (long) head * shape.length() + from + i;
        draw(dropout, row * shape.length(), valid, slot);
        AttentionRows.multiply(gradients[slot], i * stride, draws[slot], valid);
      }
      AttentionRows.scoreGradient(scores[slot], gradients[slot], i * stride, valid, stride, dot);
      if (dropout.p() > 0) {
        AttentionRows.multiply(scores[slot], i * stride, draws[slot], valid);
      }
    }
  }

  private static float scale(AttentionShape shape) {
    return (float) (1 / Math.sqrt(shape.headWidth()));
  }

  /** Grows every thread's tile to a block of queries by {@code stride}; returns the block. */
  private static int reserve(float[][] tiles, int length, int stride) {
    int block = Math.max(FEWEST_QUERIES, Math.min(MOST_QUERIES, TILE / stride));
    int size = Math.min(block, length) * stride;
    for (int slot = 0; slot < tiles.length; slot++) {
      if (tiles[slot].length < size) {
        tiles[slot] = new float[size];
      }
    }
    return block;
  }

  private void reserveDraws(Dropout dropout, int length) {
    for (int slot = 0; dropout.p() > 0 && slot < draws.length; slot++) {
      if (draws[slot].length < length) {
        draws[slot] = new float[length];
      }
    }
  }

  /** Factors of a row of P: 1 / (1 - p) where the draw keeps an element, else 0. */
  private void draw(Dropout dropout, long index, int count, int slot) {
    float[] factors = draws[slot];
    int[] four = fours[slot];
    float p = (float) dropout.p();
    float kept = (float) (1 / (1 - dropout.p()));
    int j = 0;
    while (j < count) {
      long draw = dropout.counter() + index + j;
      Philox.block(dropout.key(), draw >>> 2, four);
      for (int lane = (int) (draw & 3); lane < 4 && j < count; lane++, j++) {
        factors[j] = Philox.uniform(four[lane]) >= p ? kept : 0;
      }
    }
  }
}
