package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.BatchNormOps;
import dev.sparrow.backend.ConvShape;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.ModelChange.Carry;
import dev.sparrow.sparsity.ModelChange.Values;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * Mean and variance of what each filter of the right factor gives, {@code t = P·Vᵀ}. A batch
 * normalisation whose scale is the deviation and whose shift is the mean gives t back: with these
 * as running statistics to rounding, whatever they are, and in training as far as the batch's are
 * the same.
 *
 * @param mean (rank)
 * @param variance (rank)
 */
record InnerStatistics(float[] mean, float[] variance) {

  /**
   * Measured; waits for the device.
   *
   * @param x (rows, channels) that the windows see
   * @param carry of rank 0, with V
   */
  static InnerStatistics of(Backend backend, ConvShape shape, Tensor x, FactorCarry carry) {
    int rank = carry.rank();
    try (Workspace workspace = new Workspace(backend)) {
      Tensor wide = workspace.keepFloat(rank, carry.in());
      Tensor v = workspace.keep(rank, carry.in());
      backend.upload(carry.v(), 0, wide);
      backend.elementwise().copy(wide, v);
      Tensor t = workspace.keep(shape.outRows(), rank);
      backend.conv().forward(shape, x, v, t);
      Tensor mean = workspace.keepFloat(rank);
      Tensor rstd = workspace.keepFloat(rank);
      Tensor lastMean = workspace.keepFloat(rank);
      Tensor lastVariance = workspace.keepFloat(rank);
      backend.elementwise().fill(lastMean, 0);
      backend.elementwise().fill(lastVariance, 0);
      backend
          .batchNorm()
          .statistics(t, BatchNormOps.EPSILON, 1, mean, rstd, lastMean, lastVariance);
      InnerStatistics statistics = new InnerStatistics(new float[rank], new float[rank]);
      backend.downloadSync(lastMean, statistics.mean, 0);
      backend.downloadSync(lastVariance, statistics.variance, 0);
      return statistics;
    }
  }

  /** Of patches whose numbers are independent, of mean 0 and variance 1: before any was seen. */
  static InnerStatistics ofIndependentInputs(FactorCarry carry) {
    float[] variance = new float[carry.rank()];
    for (int k = 0; k < variance.length; k++) {
      double sum = 0;
      for (int j = 0; j < carry.in(); j++) {
        double v = carry.v()[k * carry.in() + j];
        sum += v * v;
      }
      variance[k] = (float) sum;
    }
    return new InnerStatistics(new float[variance.length], variance);
  }

  /** For {@link #ofDoubles}: means, then variances. */
  double[] toDoubles() {
    double[] numbers = new double[2 * mean.length];
    for (int k = 0; k < mean.length; k++) {
      numbers[k] = mean[k];
      numbers[mean.length + k] = variance[k];
    }
    return numbers;
  }

  static InnerStatistics ofDoubles(double[] numbers) {
    int rank = numbers.length / 2;
    InnerStatistics statistics = new InnerStatistics(new float[rank], new float[rank]);
    for (int k = 0; k < rank; k++) {
      statistics.mean[k] = (float) numbers[k];
      statistics.variance[k] = (float) numbers[rank + k];
    }
    return statistics;
  }

  /**
   * What the factors are given, and the normalisation's scale and shift; its optimizer state is
   * zero.
   */
  Carry appendedTo(Carry factors) {
    return (values, kind) -> {
      List<float[]> carried = new ArrayList<>(factors.carry(values, kind));
      boolean weights = kind == Values.WEIGHTS;
      carried.add(weights ? deviation() : new float[mean.length]);
      carried.add(weights ? mean : new float[mean.length]);
      return carried;
    };
  }

  private float[] deviation() {
    float[] deviation = new float[variance.length];
    for (int k = 0; k < deviation.length; k++) {
      deviation[k] = (float) Math.sqrt(variance[k] + BatchNormOps.EPSILON);
    }
    return deviation;
  }
}
