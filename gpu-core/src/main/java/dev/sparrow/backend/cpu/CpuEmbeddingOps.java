package dev.sparrow.backend.cpu;

import dev.sparrow.backend.AttentionShape;
import dev.sparrow.backend.EmbeddingOps;
import dev.sparrow.backend.HostPool;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/** Table look-ups, positions, and the mean of a sequence. */
final class CpuEmbeddingOps implements EmbeddingOps {
  /** Elements of a task. */
  private static final int GRAIN = 1 << 15;

  /** Columns of a task of the backward pass: a few cache lines, so that threads share none. */
  private static final int COLUMNS = 64;

  private final HostPool pool;
  private final Rotary rotary = new Rotary();

  CpuEmbeddingOps(HostPool pool) {
    this.pool = pool;
  }

  @Override
  public void splitTokens(Tensor rows, Tensor inputs, Tensor targets) {
    int length = rows.columns() - 1;
    int sequences = rows.rows();
    Sizes.require("splitTokens: inputs", inputs, (long) sequences * length);
    Sizes.require("splitTokens: targets", targets, (long) sequences * length);
    int[] rs = HeapStorage.ints(rows);
    int[] is = HeapStorage.ints(inputs);
    int[] ts = HeapStorage.ints(targets);
    for (int s = 0; s < sequences; s++) {
      int from = HeapStorage.offset(rows) + s * (length + 1);
      System.arraycopy(rs, from, is, HeapStorage.offset(inputs) + s * length, length);
      System.arraycopy(rs, from + 1, ts, HeapStorage.offset(targets) + s * length, length);
    }
  }

  @Override
  public void forward(Tensor ids, Tensor table, Tensor out) {
    int n = (int) ids.size();
    int width = table.columns();
    int vocabulary = table.rows();
    Sizes.require("embedding: out", out, (long) n * width);
    int[] is = HeapStorage.ints(ids);
    float[] ts = HeapStorage.floats(table);
    float[] os = HeapStorage.floats(out);
    int io = HeapStorage.offset(ids);
    int to = HeapStorage.offset(table);
    int oo = HeapStorage.offset(out);
    requireIds(is, io, n, vocabulary);
    pool.ranges(
        n,
        rows(width),
        (from, end) -> {
          for (int i = from; i < end; i++) {
            System.arraycopy(ts, to + is[io + i] * width, os, oo + i * width, width);
          }
        });
  }

  @Override
  public void backward(Tensor ids, Tensor dout, Tensor dtable) {
    int n = (int) ids.size();
    int width = dtable.columns();
    Sizes.require("embedding backward: dout", dout, (long) n * width);
    int[] is = HeapStorage.ints(ids);
    float[] ds = HeapStorage.floats(dout);
    float[] ts = HeapStorage.floats(dtable);
    int io = HeapStorage.offset(ids);
    int dO = HeapStorage.offset(dout);
    int to = HeapStorage.offset(dtable);
    requireIds(is, io, n, dtable.rows());
    pool.ranges(
        width,
        COLUMNS,
        (from, end) -> {
          for (int i = 0; i < n; i++) {
            int row = to + is[io + i] * width + from;
            RowOps.add(ts, row, ds, dO + i * width + from, ts, row, end - from);
          }
        });
  }

  private static void requireIds(int[] ids, int offset, int n, int vocabulary) {
    for (int i = 0; i < n; i++) {
      int id = ids[offset + i];
      if (id < 0 || id >= vocabulary) {
        throw new IllegalArgumentException(
            "embedding: expected ids in [0, %d), got %d at position %d"
                .formatted(vocabulary, id, i));
      }
    }
  }

  @Override
  public void addPositions(Tensor positions, int length, int start, Tensor x) {
    int width = positions.columns();
    int rows = requirePositions("addPositions", positions, length, start, x);
    float[] ps = HeapStorage.floats(positions);
    float[] xs = HeapStorage.floats(x);
    int po = HeapStorage.offset(positions) + start * width;
    int xo = HeapStorage.offset(x);
    pool.ranges(
        rows,
        rows(width),
        (from, to) -> {
          for (int i = from; i < to; i++) {
            int row = xo + i * width;
            RowOps.add(xs, row, ps, po + i % length * width, xs, row, width);
          }
        });
  }

  @Override
  public void addPositionsBackward(Tensor dx, int length, int start, Tensor dpositions) {
    int width = dpositions.columns();
    int rows = requirePositions("addPositionsBackward", dpositions, length, start, dx);
    float[] ds = HeapStorage.floats(dx);
    float[] ps = HeapStorage.floats(dpositions);
    int dO = HeapStorage.offset(dx);
    int po = HeapStorage.offset(dpositions) + start * width;
    pool.ranges(
        length,
        rows(width),
        (from, to) -> {
          for (int t = from; t < to; t++) {
            int row = po + t * width;
            for (int i = t; i < rows; i += length) {
              RowOps.add(ps, row, ds, dO + i * width, ps, row, width);
            }
          }
        });
  }

  private static int requirePositions(
      String op, Tensor positions, int length, int start, Tensor x) {
    if (length < 1 || start < 0 || start > positions.rows() - length) {
      throw new IllegalArgumentException(
          "%s: expected a range inside the %d positions, got start %d and length %d"
              .formatted(op, positions.rows(), start, length));
    }
    int width = positions.columns();
    if (x.columns() != width || x.rows() % length != 0) {
      throw new IllegalArgumentException(
          "%s: expected (multiple of %d, %d), got %s".formatted(op, length, width, x));
    }
    return x.rows();
  }

  @Override
  public void mean(Tensor x, int length, Tensor out) {
    int width = out.columns();
    Matrices.check("mean: x", x, Math.multiplyExact(out.rows(), length), width);
    float[] xs = HeapStorage.floats(x);
    float[] ys = HeapStorage.floats(out);
    int xo = HeapStorage.offset(x);
    int yo = HeapStorage.offset(out);
    pool.ranges(
        out.rows(),
        rows(Math.multiplyExact(length, width)),
        (from, to) -> {
          for (int b = from; b < to; b++) {
            int row = yo + b * width;
            Arrays.fill(ys, row, row + width, 0);
            for (int i = b * length; i < (b + 1) * length; i++) {
              RowOps.add(ys, row, xs, xo + i * width, ys, row, width);
            }
            RowOps.scale(1f / length, ys, row, ys, row, width);
          }
        });
  }

  @Override
  public void meanBackward(Tensor dout, int length, Tensor dx) {
    int width = dout.columns();
    Matrices.check("meanBackward: dx", dx, Math.multiplyExact(dout.rows(), length), width);
    float[] ds = HeapStorage.floats(dout);
    float[] xs = HeapStorage.floats(dx);
    int dO = HeapStorage.offset(dout);
    int xo = HeapStorage.offset(dx);
    pool.ranges(
        dx.rows(),
        rows(width),
        (from, to) -> {
          for (int i = from; i < to; i++) {
            RowOps.scale(1f / length, ds, dO + i / length * width, xs, xo + i * width, width);
          }
        });
  }

  @Override
  public void rotary(AttentionShape shape, double theta, int start, boolean inverse, Tensor qkv) {
    if (shape.headWidth() % 2 != 0 || start < 0) {
      throw new IllegalArgumentException(
          "rotary: expected an even head width and start >= 0, got %d and %d"
              .formatted(shape.headWidth(), start));
    }
    qkv.require("rotary: qkv", shape.tokens(), 3 * shape.width());
    Rotary.Table table = rotary.table(shape.headWidth(), theta, start + shape.length());
    float[] xs = HeapStorage.floats(qkv);
    int xo = HeapStorage.offset(qkv);
    int columns = 3 * shape.width();
    pool.ranges(
        shape.tokens(),
        rows(columns),
        (from, to) -> {
          for (int i = from; i < to; i++) {
            int position = start + i % shape.length();
            // Queries and keys are the first 2·heads heads of a row.
            table.turn(xs, xo + i * columns, 2 * shape.heads(), position, inverse);
          }
        });
  }

  private static int rows(int width) {
    return Math.max(1, GRAIN / Math.max(1, width));
  }
}
