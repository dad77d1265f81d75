package dev.sparrow.backend.cuda;

import dev.sparrow.backend.LossOps;
import dev.sparrow.backend.cuda.KernelQueue.ByType;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/**
 * Launches of {@code nn/cross_entropy.cu}. Targets are on the device and not looked at here: a
 * class that does not exist is the caller's to refuse, as the model does when it takes a batch.
 */
final class CudaLossOps implements LossOps {
  private final KernelQueue queue;
  private final DoubleSums sums;
  private final ByType loss;
  private final ByType gradient;
  private final Launch partialSums;

  CudaLossOps(KernelQueue queue, DoubleSums sums) {
    this.queue = queue;
    this.sums = sums;
    this.loss = queue.kernels("cross_entropy");
    this.gradient = queue.kernels("cross_entropy_gradient");
    this.partialSums = queue.kernel("partial_sums_f32");
  }

  @Override
  public void crossEntropy(Tensor logits, int classes, Tensor targets, Tensor losses) {
    requireRows(logits, classes, targets, losses);
    if (logits.rows() > 0) {
      Launch launch = over(loss.of(logits.dtype()), logits);
      launch
          .arguments()
          .tensor(logits)
          .tensor(targets)
          .tensor(losses)
          .int64(logits.rows())
          .int32(classes)
          .int32(logits.columns());
      queue.run(launch);
    }
  }

  @Override
  public void crossEntropyWithGradient(
      Tensor logits, int classes, Tensor targets, double scale, Tensor losses) {
    requireRows(logits, classes, targets, losses);
    if (logits.rows() > 0) {
      Launch launch = over(gradient.of(logits.dtype()), logits);
      launch
          .arguments()
          .tensor(logits)
          .tensor(targets)
          .float32((float) scale)
          .tensor(losses)
          .int64(logits.rows())
          .int32(classes)
          .int32(logits.columns());
      queue.run(launch);
    }
  }

  @Override
  public void sum(Tensor x, boolean accumulate, Tensor total) {
    Doors.requireType("sum: x", x, DType.F32);
    sums.add("sum", partialSums, x, accumulate, total);
  }

  @Override
  public double sumSync(Tensor x) {
    Doors.requireType("sum: x", x, DType.F32);
    return sums.sync(partialSums, x);
  }

  private Launch over(Launch launch, Tensor logits) {
    return launch.grid(queue.blocks(logits.rows(), 1)).block(KernelQueue.THREADS);
  }

  private static void requireRows(Tensor logits, int classes, Tensor targets, Tensor losses) {
    if (classes < 1 || classes > logits.columns()) {
      throw new IllegalArgumentException(
          "crossEntropy: classes: expected 1 to %d, got %d".formatted(logits.columns(), classes));
    }
    Doors.requireSize("crossEntropy: targets", targets, logits.rows());
    Doors.requireType("crossEntropy: targets", targets, DType.I32);
    Doors.requireSize("crossEntropy: losses", losses, logits.rows());
    Doors.requireType("crossEntropy: losses", losses, DType.F32);
  }
}
