package dev.sparrow.backend;

import static dev.sparrow.backend.RoundedStorage.compute;
import static dev.sparrow.backend.RoundedStorage.doubles;
import static dev.sparrow.backend.RoundedStorage.floats;
import static dev.sparrow.backend.RoundedStorage.ints;
import static dev.sparrow.backend.RoundedStorage.round;

import dev.sparrow.tensor.Tensor;

/** The oracle's losses, rounded once. */
final class RoundingLossOps implements LossOps {
  private final LossOps ops;

  RoundingLossOps(LossOps ops) {
    this.ops = ops;
  }

  @Override
  public void crossEntropy(Tensor logits, int classes, Tensor targets, Tensor losses) {
    ops.crossEntropy(compute(logits), classes, ints(targets), floats(losses));
    round(losses);
  }

  @Override
  public void crossEntropyWithGradient(
      Tensor logits, int classes, Tensor targets, double scale, Tensor losses) {
    ops.crossEntropyWithGradient(compute(logits), classes, ints(targets), scale, floats(losses));
    round(logits, losses);
  }

  @Override
  public void sum(Tensor x, boolean accumulate, Tensor total) {
    ops.sum(floats(x), accumulate, doubles(total));
  }

  @Override
  public double sumSync(Tensor x) {
    return ops.sumSync(floats(x));
  }
}
