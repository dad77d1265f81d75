package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/** Softmax cross-entropy in double. */
final class ReferenceLossOps implements LossOps {
  @Override
  public void crossEntropy(Tensor logits, int classes, Tensor targets, Tensor losses) {
    if (classes < 1 || classes > logits.columns()) {
      throw new IllegalArgumentException(
          "classes: expected 1 to %d, got %d".formatted(logits.columns(), classes));
    }
    targets.require("targets", logits.rows());
    losses.require("losses", logits.rows());
    for (int r = 0; r < logits.rows(); r++) {
      int target = target(targets, r, classes);
      double loss =
          target == IGNORE ? 0 : logSumExp(logits, classes, r) - Doubles.of(logits).get(r, target);
      Doubles.of(losses).set(r, loss);
    }
  }

  @Override
  public void crossEntropyWithGradient(
      Tensor logits, int classes, Tensor targets, double scale, Tensor losses) {
    crossEntropy(logits, classes, targets, losses);
    Doubles x = Doubles.of(logits);
    for (int r = 0; r < logits.rows(); r++) {
      int target = Ints.of(targets).get(r);
      double logSumExp = logSumExp(logits, classes, r);
      for (int c = 0; c < logits.columns(); c++) {
        double softmax = StrictMath.exp(x.get(r, c) - logSumExp);
        double onehot = c == target ? 1 : 0;
        x.set(r, c, target == IGNORE || c >= classes ? 0 : scale * (softmax - onehot));
      }
    }
  }

  private static int target(Tensor targets, int row, int classes) {
    int target = Ints.of(targets).get(row);
    if (target < IGNORE || target >= classes) {
      throw new IllegalArgumentException(
          "targets: expected -1 or a class in [0, %d), got %d at row %d"
              .formatted(classes, target, row));
    }
    return target;
  }

  /**
   * logΣ_j exp(x_j) over a row's first columns, shifted by the largest so that nothing overflows.
   */
  static double logSumExp(Tensor x, int columns, int row) {
    double max = Double.NEGATIVE_INFINITY;
    for (int c = 0; c < columns; c++) {
      max = StrictMath.max(max, Doubles.of(x).get(row, c));
    }
    double sum = 0;
    for (int c = 0; c < columns; c++) {
      sum += StrictMath.exp(Doubles.of(x).get(row, c) - max);
    }
    return max + StrictMath.log(sum);
  }

  @Override
  public void sum(Tensor x, boolean accumulate, Tensor total) {
    Checks.size("sum: total", 1, total);
    Doubles sum = Doubles.of(total);
    sum.set(0, (accumulate ? sum.get(0) : 0) + sumSync(x));
  }

  @Override
  public double sumSync(Tensor x) {
    double sum = 0;
    for (int i = 0; i < x.size(); i++) {
      sum += Doubles.of(x).get(i);
    }
    return sum;
  }
}
