package dev.sparrow.backend.cpu;

import dev.sparrow.backend.AttentionOps;
import dev.sparrow.backend.AttentionShape;
import dev.sparrow.backend.HostPool;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/**
 * Attention in blocks of queries. The scores of one block against the keys that it sees are one
 * product into a thread's scratch tile, sized for the second-level cache; the keys past a causal
 * block are never touched. A tile is (keys, queries), so that queries are lanes of vectors: see
 * {@link AttentionTile}. Forward tasks are (sequence, head, block), a head's blocks one after
 * another while its keys are in the cache; backward tasks are (sequence, head), since all blocks of
 * a head add to its keys' gradient.
 */
final class CpuAttentionOps implements AttentionOps {
  /** Queries of a block; more of them waste more products on masked pairs. */
  private static final int MOST_QUERIES = 64;

  private static final int LANES = Lanes.COUNT;

  /** Elements of a scores tile, 256 KB. */
  private static final int TILE = 1 << 16;

  private final HostPool pool;
  private final Blas blas;
  private final float[][] scores;
  private final float[][] gradients;
  private final float[][] draws;
  private final int[][] blocks;
  private final float[][] maxima;
  private final float[][] sums;
  private float[] ones = new float[0];

  CpuAttentionOps(HostPool pool, Blas blas) {
    this.pool = pool;
    this.blas = blas;
    this.scores = new float[pool.threads()][0];
    this.gradients = new float[pool.threads()][0];
    this.draws = new float[pool.threads()][0];
    this.blocks = new int[pool.threads()][4];
    this.maxima = new float[pool.threads()][LANES];
    this.sums = new float[pool.threads()][LANES];
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
    shape.requireCausal("cached attention");
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
    int block = reserve(scores, length, position + length);
    Mask mask = mask(dropout, position + length);
    int blocks = (length + block - 1) / block;
    float[] lse = logSumExp == null ? null : HeapStorage.floats(logSumExp);
    int lse0 = logSumExp == null ? 0 : HeapStorage.offset(logSumExp);
    float[] y = HeapStorage.floats(out);
    int y0 = HeapStorage.offset(out);
    pool.forEach(
        heads * blocks,
        task -> {
          int from = (blocks - 1 - task % blocks) * block;
          int rows = Math.min(block, length - from);
          int head = task / blocks;
          attendBlock(
              shape, queries, keys, values, position, head, from, rows, mask, y, y0, lse, lse0);
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
      Mask mask,
      float[] y,
      int y0,
      float[] lse,
      int lse0) {
    int d = shape.headWidth();
    int width = shape.width();
    int sequence = head / shape.heads();
    int column = head % shape.heads() * d;
    int before = shape.causal() ? position + from : position + shape.length();
    int seen = shape.causal() ? before + rows : before;
    int stride = AttentionTile.stride(rows);
    int slot = pool.slot();
    float[] p = scores[slot];
    float[] max = maxima[slot];
    float[] sum = sums[slot];
    blas.sgemm(
        false,
        true,
        seen,
        rows,
        d,
        scale(shape),
        keys.array,
        keys.row(sequence, 0) + column,
        keys.stride,
        queries.array,
        queries.row(sequence, from) + column,
        queries.stride,
        0,
        p,
        0,
        stride);
    AttentionTile.run(AttentionTile.SOFTMAX, p, null, rows, seen, before, max, sum);
    if (mask != null) {
      long row = (long) head * shape.length() + from;
      drop(mask, row * shape.length(), shape.length(), p, rows, seen, before, slot);
    }
    int out = y0 + (sequence * shape.length() + from) * width + column;
    blas.sgemm(
        true,
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
      RowOps.scale(1 / sum[i], y, out + i * width, y, out + i * width, d);
    }
    if (lse != null) {
      int at = lse0 + head * shape.length() + from;
      for (int i = 0; i < rows; i++) {
        lse[at + i] = max[i] + (float) Math.log(sum[i]);
      }
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
    int block = reserve(scores, shape.length(), shape.length());
    reserve(gradients, shape.length(), shape.length());
    Mask mask = mask(dropout, shape.length());
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
            backwardBlock(shape, arrays, mask, head, from, rows, from == last ? 0 : 1);
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
   * One block of queries. Blocks run from the last, which sees all keys even where attention is
   * causal, to the first, so that the first product into the keys' and values' gradients assigns
   * and the others add.
   */
  private void backwardBlock(
      AttentionShape shape, Backward a, Mask mask, int head, int from, int rows, float beta) {
    int d = shape.headWidth();
    int width = shape.width();
    int packed = 3 * width;
    int first = head / shape.heads() * shape.length(); // the sequence's first token
    int column = head % shape.heads() * d;
    int seen = shape.causal() ? from + rows : shape.length();
    int stride = AttentionTile.stride(rows);
    int slot = pool.slot();
    float[] p = scores[slot];
    float[] ds = gradients[slot];
    float s = scale(shape);
    int queries = a.qkv0 + (first + from) * packed + column;
    int keys = a.qkv0 + first * packed + width + column;
    int values = keys + width;
    int outs = (first + from) * width + column;
    int dqueries = a.dqkv0 + queries - a.qkv0;
    int dkeys = a.dqkv0 + keys - a.qkv0;
    int dvalues = dkeys + width;
    // Sᵀ = s·K·Qᵀ and dPᵀ = V·dOᵀ
    blas.sgemm(
        false, true, seen, rows, d, s, a.qkv, keys, packed, a.qkv, queries, packed, 0, p, 0,
        stride);
    blas.sgemm(
        false,
        true,
        seen,
        rows,
        d,
        1,
        a.qkv,
        values,
        packed,
        a.dout,
        a.dout0 + outs,
        width,
        0,
        ds,
        0,
        stride);
    scoreGradients(shape, a, mask, head, from, rows, outs, slot);
    // dV = Pᵀ·dO, dQ = s·dS·K, dK = s·dSᵀ·Q
    blas.sgemm(
        false,
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
        dvalues,
        packed);
    blas.sgemm(
        true, false, rows, d, seen, s, ds, 0, stride, a.qkv, keys, packed, 0, a.dqkv, dqueries,
        packed);
    blas.sgemm(
        false, false, seen, d, rows, s, ds, 0, stride, a.qkv, queries, packed, beta, a.dqkv, dkeys,
        packed);
  }

  /**
   * {@code P = exp(S - L)} in place of S and {@code dS = P ⊙ (dP - D)} in place of dP, where {@code
   * D = Σ dO ⊙ O} of each query; with dropout, P ends as the values saw it.
   */
  private void scoreGradients(
      AttentionShape shape,
      Backward a,
      Mask mask,
      int head,
      int from,
      int rows,
      int outs,
      int slot) {
    int width = shape.width();
    float[] p = scores[slot];
    float[] ds = gradients[slot];
    float[] lse = maxima[slot];
    float[] dots = sums[slot];
    System.arraycopy(a.lse, a.lse0 + head * shape.length() + from, lse, 0, rows);
    for (int i = 0; i < rows; i++) {
      int at = outs + i * width;
      dots[i] = RowOps.dot(a.dout, a.dout0 + at, a.out, a.out0 + at, shape.headWidth());
    }
    int before = shape.causal() ? from : shape.length();
    int seen = shape.causal() ? from + rows : before;
    AttentionTile.run(AttentionTile.EXPONENTIALS, p, ds, rows, seen, before, lse, dots);
    long row = ((long) head * shape.length() + from) * shape.length();
    if (mask != null) {
      drop(mask, row, shape.length(), ds, rows, seen, before, slot);
    }
    AttentionTile.run(AttentionTile.SCORE_GRADIENT, p, ds, rows, seen, before, lse, dots);
    if (mask != null) {
      drop(mask, row, shape.length(), p, rows, seen, before, slot);
    }
  }

  private static float scale(AttentionShape shape) {
    return (float) (1 / Math.sqrt(shape.headWidth()));
  }

  /** Grows every thread's tile to a block of queries by {@code keys}; returns the block. */
  private int reserve(float[][] tiles, int length, int keys) {
    int block = Math.max(LANES, Math.min(MOST_QUERIES, TILE / keys / LANES * LANES));
    int stride = AttentionTile.stride(Math.min(block, length));
    for (int slot = 0; slot < tiles.length; slot++) {
      if (tiles[slot].length < stride * keys) {
        tiles[slot] = new float[stride * keys];
      }
      if (sums[slot].length < stride) {
        maxima[slot] = new float[stride];
        sums[slot] = new float[stride];
      }
    }
    return block;
  }

  /** Dropout's draws for one call. */
  private record Mask(PhiloxDropout draws, long counter) {}

  /** Null where nothing is dropped; else every thread gets room for a row of {@code length}. */
  private Mask mask(Dropout dropout, int length) {
    if (dropout.p() == 0) {
      return null;
    }
    if (ones.length < length) {
      ones = new float[length];
      Arrays.fill(ones, 1);
      for (int slot = 0; slot < draws.length; slot++) {
        draws[slot] = new float[length];
      }
    }
    return new Mask(
        new PhiloxDropout(dropout.p(), dropout.draws().key()), dropout.draws().counter());
  }

  /**
   * Multiplies a tile by 1 / (1 - p) where the draw keeps an element, else by 0.
   *
   * @param index the draw of the first query and key; {@code next} later is that of the next query
   */
  private void drop(
      Mask mask, long index, int next, float[] tile, int rows, int seen, int before, int slot) {
    float[] factors = draws[slot];
    for (int i = 0; i < rows; i++) {
      int valid = Math.min(seen, before + i + 1);
      long counter = mask.counter + index + (long) i * next;
      mask.draws.apply(ones, 0, counter, factors, 0, valid, blocks[slot]);
      AttentionTile.multiplyColumn(tile, i, rows, factors, valid);
    }
  }
}
