package dev.sparrow.backend.cpu;

import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.LossOps;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/** Softmax cross-entropy, row by row. */
final class CpuLossOps implements LossOps {
  private static final int GRAIN = 1 << 15;

  private final HostPool pool;
  private final DoubleSums sums;

  CpuLossOps(HostPool pool) {
    this.pool = pool;
    this.sums = new DoubleSums(pool);
  }

  @Override
  public void crossEntropy(Tensor logits, int classes, Tensor targets, Tensor losses) {
    int columns = logits.columns();
    int rows = requireRows(logits, classes, targets, losses);
    float[] xs = HeapStorage.floats(logits);
    int[] ts = HeapStorage.ints(targets);
    float[] ls = HeapStorage.floats(losses);
    int xo = HeapStorage.offset(logits);
    int to = HeapStorage.offset(targets);
    int lo = HeapStorage.offset(losses);
    pool.ranges(
        rows,
        grain(classes),
        (from, end) -> {
          for (int r = from; r < end; r++) {
            int row = xo + r * columns;
            int target = ts[to + r];
            if (target == IGNORE) {
              ls[lo + r] = 0;
              continue;
            }
            float max = SoftmaxRows.max(xs, row, classes);
            float sum = SoftmaxRows.sumExp(xs, row, max, classes);
            ls[lo + r] = loss(sum, max, xs[row + target]);
          }
        });
  }

  @Override
  public void crossEntropyWithGradient(
      Tensor logits, int classes, Tensor targets, double scale, Tensor losses) {
    int columns = logits.columns();
    int rows = requireRows(logits, classes, targets, losses);
    float[] xs = HeapStorage.floats(logits);
    int[] ts = HeapStorage.ints(targets);
    float[] ls = HeapStorage.floats(losses);
    int xo = HeapStorage.offset(logits);
    int to = HeapStorage.offset(targets);
    int lo = HeapStorage.offset(losses);
    pool.ranges(
        rows,
        grain(classes),
        (from, end) -> {
          for (int r = from; r < end; r++) {
            int row = xo + r * columns;
            int target = ts[to + r];
            if (target == IGNORE) {
              ls[lo + r] = 0;
              Arrays.fill(xs, row, row + columns, 0);
              continue;
            }
            float max = SoftmaxRows.max(xs, row, classes);
            float chosen = xs[row + target];
            float sum = SoftmaxRows.exp(xs, row, max, xs, row, classes);
            ls[lo + r] = loss(sum, max, chosen);
            RowOps.scale((float) (scale / sum), xs, row, xs, row, classes);
            xs[row + target] -= (float) scale;
            Arrays.fill(xs, row + classes, row + columns, 0);
          }
        });
  }

  /** The differences are small where the sum is large, so it is done in double. */
  private static float loss(float sum, float max, float chosen) {
    return (float) (StrictMath.log(sum) + ((double) max - chosen));
  }

  @Override
  public void sum(Tensor x, boolean accumulate, Tensor total) {
    Sizes.require("sum: total", total, 1);
    double[] totals = HeapStorage.doubles(total);
    int at = HeapStorage.offset(total);
    totals[at] = (accumulate ? totals[at] : 0) + sumSync(x);
  }

  @Override
  public double sumSync(Tensor x) {
    return sums.sum(HeapStorage.floats(x), HeapStorage.offset(x), (int) x.size());
  }

  private static int requireRows(Tensor logits, int classes, Tensor targets, Tensor losses) {
    int rows = logits.rows();
    if (classes < 1 || classes > logits.columns()) {
      throw new IllegalArgumentException(
          "crossEntropy: classes: expected 1 to %d, got %d".formatted(logits.columns(), classes));
    }
    Sizes.require("crossEntropy: targets", targets, rows);
    Sizes.require("crossEntropy: losses", losses, rows);
    int[] ts = HeapStorage.ints(targets);
    int to = HeapStorage.offset(targets);
    for (int r = 0; r < rows; r++) {
      int target = ts[to + r];
      if (target != IGNORE && (target < 0 || target >= classes)) {
        throw new IllegalArgumentException(
            "crossEntropy: expected targets in [0, %d) or %d to ignore a row, got %d in row %d"
                .formatted(classes, IGNORE, target, r));
      }
    }
    return rows;
  }

  private static int grain(int classes) {
    return Math.max(1, GRAIN / Math.max(1, classes));
  }
}
