package dev.sparrow.backend.cpu;

import dev.sparrow.tensor.Tensor;

/**
 * A few rows on their way through the passes of a normalisation, and what one pass leaves for the
 * next: numbers of each row. Each thread keeps its own block; a block allocates nothing.
 */
final class NormBlock {
  /** Elements that stay in the first-level cache from pass to pass. */
  private static final int ELEMENTS = 4096;

  private static final int MOST_ROWS = 64;

  private static final ThreadLocal<NormBlock> CURRENT = ThreadLocal.withInitial(NormBlock::new);

  /** (rows, columns). */
  float[] x;

  int xo;

  float[] weight;
  int wo;

  float[] bias;
  int bo;

  /** Result of forward, (rows, columns). */
  float[] y;

  int yo;

  /** Of every row of x; null for RMSNorm. */
  float[] mean;

  int mo;

  /** Of every row of x. */
  float[] rstd;

  int ro;

  double epsilon;

  /** Gradient of y. */
  float[] dy;

  int dyo;

  /** Gradient of x. */
  float[] dx;

  int dxo;

  /** {@code Σ dy·n} from {@code dweights} on and {@code Σ dy} from {@code dbiases} on. */
  float[] sums;

  int dweights;
  int dbiases;

  int columns;

  /** The block's rows are [first, end) of x. */
  int first;

  int end;

  /** Mean of row first + i; 0 for RMSNorm. */
  final float[] centre = new float[MOST_ROWS];

  /** {@code mean(g)} of row first + i; 0 for RMSNorm. */
  final float[] meanG = new float[MOST_ROWS];

  /** {@code mean(g·n)} of row first + i. */
  final float[] meanGn = new float[MOST_ROWS];

  private NormBlock() {}

  /** The calling thread's block over what both directions have; mean is null for RMSNorm. */
  static NormBlock of(Tensor x, Tensor weight, Tensor mean, Tensor rstd) {
    NormBlock block = CURRENT.get();
    block.x = HeapStorage.floats(x);
    block.xo = HeapStorage.offset(x);
    block.weight = HeapStorage.floats(weight);
    block.wo = HeapStorage.offset(weight);
    block.mean = mean == null ? null : HeapStorage.floats(mean);
    block.mo = mean == null ? 0 : HeapStorage.offset(mean);
    block.rstd = HeapStorage.floats(rstd);
    block.ro = HeapStorage.offset(rstd);
    block.columns = x.columns();
    return block;
  }

  /** Takes rows [from, to) through the passes, some at a time, and forgets the arrays. */
  void run(NormPass[] passes, int from, int to) {
    int step = Math.max(1, Math.min(MOST_ROWS, ELEMENTS / Math.max(1, columns)));
    for (first = from; first < to; first = end) {
      end = Math.min(to, first + step);
      through(passes);
    }
    x = weight = bias = y = mean = rstd = dy = dx = sums = null;
  }

  private void through(NormPass[] passes) {
    for (NormPass pass : passes) {
      pass.run(this);
    }
  }
}
