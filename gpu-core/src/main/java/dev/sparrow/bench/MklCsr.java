package dev.sparrow.bench;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.UniformPattern;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A sparse matrix of {@link Mkl}'s with the dense operands of its product, all outside of the heap
 * and made ready once. Each thread of the pool multiplies its own share of the rows, so that MKL
 * has as many threads as the products that it is compared with.
 */
final class MklCsr implements AutoCloseable {
  private static final int CACHE_LINE = 64;

  private final Mkl mkl;
  private final HostPool pool;
  private final int rows;
  private final int columns;
  private final int n;
  private final int layout;
  private final List<Memory> owned = new ArrayList<>();
  private final Pointer starts; // (rows + 1)
  private final Pointer indices; // (non-zeros)
  private final Pointer values; // (non-zeros)
  private final Pointer b; // (columns, n)
  private final Pointer c; // (rows, n)
  private final Pointer[] shares;

  /**
   * @param rowStarts (rows + 1) where each row's column numbers begin
   * @param n columns of the dense matrices
   * @param layout of the dense matrices: column-major is how activations (n, columns) lie
   */
  MklCsr(
      Mkl mkl,
      HostPool pool,
      int[] rowStarts,
      int[] columnNumbers,
      int columns,
      int n,
      int layout) {
    this.mkl = mkl;
    this.pool = pool;
    this.rows = rowStarts.length - 1;
    this.columns = columns;
    this.n = n;
    this.layout = layout;
    this.starts = outside(rowStarts);
    this.indices = outside(columnNumbers);
    this.values = random(columnNumbers.length);
    this.b = random((long) columns * n);
    this.c = random((long) rows * n);
    this.shares = new Pointer[Math.min(pool.threads(), rows)];
    for (int i = 0; i < shares.length; i++) {
      Pointer first = starts.share((long) firstRow(i) * Integer.BYTES);
      int own = firstRow(i + 1) - firstRow(i);
      shares[i] = mkl.csr(own, columns, first, indices, values, layout, n);
    }
  }

  /** W (out, in) of a pattern, for {@code x·Wᵀ}. */
  static MklCsr ofRows(Mkl mkl, HostPool pool, UniformPattern pattern, int n, int layout) {
    int[] starts = new int[pattern.rows() + 1];
    int[] indices = new int[Math.toIntExact(pattern.nonZeros())];
    for (int row = 0; row < pattern.rows(); row++) {
      int k = pattern.fanIn();
      System.arraycopy(pattern.indices(), pattern.start(row), indices, row * k, k);
      starts[row + 1] = (row + 1) * k;
    }
    return new MklCsr(mkl, pool, starts, indices, pattern.columns(), n, layout);
  }

  /** Wᵀ (in, out) of a pattern, for {@code dy·W}. */
  static MklCsr ofColumns(Mkl mkl, HostPool pool, UniformPattern pattern, int n, int layout) {
    int[] starts = new int[pattern.columns() + 1];
    for (int row = 0; row < pattern.rows(); row++) {
      for (int i = 0; i < pattern.fanIn(); i++) {
        starts[pattern.indices()[pattern.start(row) + i] + 1]++;
      }
    }
    for (int column = 0; column < pattern.columns(); column++) {
      starts[column + 1] += starts[column];
    }
    int[] next = starts.clone();
    int[] rows = new int[Math.toIntExact(pattern.nonZeros())];
    for (int row = 0; row < pattern.rows(); row++) {
      for (int i = 0; i < pattern.fanIn(); i++) {
        rows[next[pattern.indices()[pattern.start(row) + i]]++] = row;
      }
    }
    return new MklCsr(mkl, pool, starts, rows, pattern.rows(), n, layout);
  }

  private int firstRow(int share) {
    return (int) ((long) rows * share / shares.length);
  }

  private Pointer outside(int[] from) {
    Pointer memory = aligned((long) from.length * Integer.BYTES);
    memory.write(0, from, 0, from.length);
    return memory;
  }

  private Pointer random(long floats) {
    Pointer memory = aligned(floats * Float.BYTES);
    Random random = new Random(floats);
    for (long i = 0; i < floats; i++) {
      memory.setFloat(i * Float.BYTES, (float) random.nextGaussian());
    }
    return memory;
  }

  private Pointer aligned(long bytes) {
    Memory memory = new Memory(bytes + CACHE_LINE);
    owned.add(memory);
    return memory.align(CACHE_LINE);
  }

  /** The product, overwriting what it gave before. */
  void multiply() {
    boolean byColumns = layout == Mkl.COLUMN_MAJOR;
    pool.forEach(
        shares.length,
        i -> {
          long first = (long) firstRow(i) * (byColumns ? 1 : n) * Float.BYTES;
          int ldb = byColumns ? columns : n;
          int ldc = byColumns ? rows : n;
          mkl.multiply(shares[i], layout, b, n, ldb, c.share(first), ldc);
        });
  }

  /** An element of the sparse matrix's stored values. */
  float value(int nonZero) {
    return values.getFloat((long) nonZero * Float.BYTES);
  }

  /** An element of the right-hand side. */
  float right(int column, int i) {
    return at(b, column, columns, i);
  }

  /** An element of the result. */
  float result(int row, int i) {
    return at(c, row, rows, i);
  }

  private float at(Pointer memory, int row, int height, int i) {
    long element = layout == Mkl.COLUMN_MAJOR ? (long) i * height + row : (long) row * n + i;
    return memory.getFloat(element * Float.BYTES);
  }

  @Override
  public void close() {
    for (Pointer share : shares) {
      mkl.destroy(share);
    }
    owned.forEach(Memory::close);
  }
}
