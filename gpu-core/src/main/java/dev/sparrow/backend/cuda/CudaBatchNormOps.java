package dev.sparrow.backend.cuda;

import dev.sparrow.backend.BatchNormOps;
import dev.sparrow.backend.cuda.KernelQueue.ByType;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/** Launches of {@code nn/batch_norm.cu}. */
final class CudaBatchNormOps implements BatchNormOps {
  private static final int COLUMNS_PER_BLOCK = 256;

  /** Elements that a block sums, at least: long enough that the partial sums are few. */
  private static final int ELEMENTS_PER_BLOCK = 1 << 13;

  private static final int BLOCKS_PER_MULTIPROCESSOR = 4;
  private static final int WARP = 32;

  private final KernelQueue queue;
  private final Scratch scratch; // partials (blocks, 2, channels), then terms (3, channels)
  private final ByType moments;
  private final Launch statistics;
  private final Launch inverseDeviation;
  private final ByType apply;
  private final ByType backwardSums;
  private final ByType gradients;
  private final ByType backward;

  CudaBatchNormOps(KernelQueue queue) {
    this.queue = queue;
    this.scratch = queue.scratch("batch statistics");
    this.moments = queue.kernels("batch_moments");
    this.statistics = queue.kernel("batch_statistics_f32");
    this.inverseDeviation = queue.kernel("inverse_deviation_f32");
    this.apply = queue.kernels("batch_norm");
    this.backwardSums = queue.kernels("batch_norm_sums");
    this.gradients = queue.kernels("batch_norm_gradients");
    this.backward = queue.kernels("batch_norm_backward");
  }

  @Override
  public void statistics(
      Tensor x,
      double epsilon,
      double momentum,
      Tensor mean,
      Tensor rstd,
      Tensor runningMean,
      Tensor runningVariance) {
    int channels = x.columns();
    requireFloats("statistics", channels, mean, rstd, runningMean, runningVariance);
    if (x.rows() == 0) {
      return;
    }
    int blocks = blocks(x);
    long partials = scratch.bytes(2L * blocks * channels * Float.BYTES);
    Launch launch = overColumns(moments.of(x.dtype()), x, blocks);
    launch.arguments().tensor(x).address(partials).int64(x.rows()).int32(channels);
    queue.run(launch);
    warpEach(statistics, channels)
        .arguments()
        .address(partials)
        .int32(blocks)
        .int64(x.rows())
        .int32(channels)
        .float32((float) epsilon)
        .float32((float) momentum)
        .tensor(mean)
        .tensor(rstd)
        .tensor(runningMean)
        .tensor(runningVariance);
    queue.run(statistics);
  }

  @Override
  public void inverseDeviation(Tensor variance, double epsilon, Tensor rstd) {
    int channels = (int) variance.size();
    requireFloats("inverseDeviation", channels, variance, rstd);
    queue.overElements(inverseDeviation, channels);
    inverseDeviation
        .arguments()
        .tensor(variance)
        .float32((float) epsilon)
        .tensor(rstd)
        .int32(channels);
    queue.run(inverseDeviation);
  }

  @Override
  public void apply(
      Tensor x,
      Tensor mean,
      Tensor rstd,
      Tensor weight,
      Tensor bias,
      Tensor residual,
      boolean rectified,
      Tensor y) {
    int channels = x.columns();
    requireFloats("apply", channels, mean, rstd);
    Doors.requireVector("apply: channels of weight", weight, channels, x.dtype());
    Doors.requireVector("apply: channels of bias", bias, channels, x.dtype());
    requireLike("apply: y", y, x);
    if (residual != null) {
      requireLike("apply: residual", residual, x);
    }
    if (x.size() == 0) {
      return;
    }
    Launch launch = queue.overElements(apply.of(x.dtype()), x.size());
    launch
        .arguments()
        .tensor(x)
        .tensor(mean)
        .tensor(rstd)
        .tensor(weight)
        .tensor(bias)
        .tensorOrNull(residual)
        .tensor(y)
        .int64(x.size())
        .int32(channels)
        .int32(rectified ? 1 : 0);
    queue.run(launch);
  }

  @Override
  public void backward(
      Tensor dy,
      Tensor y,
      Tensor x,
      Tensor mean,
      Tensor rstd,
      Tensor weight,
      Tensor dx,
      Tensor dweight,
      Tensor dbias) {
    int channels = x.columns();
    requireFloats("backward", channels, mean, rstd, dweight, dbias);
    Doors.requireVector("backward: channels of weight", weight, channels, x.dtype());
    requireLike("backward: dy", dy, x);
    requireLike("backward: dx", dx, x);
    if (y != null) {
      requireLike("backward: y", y, x);
    }
    if (x.rows() == 0) {
      return;
    }
    int blocks = blocks(x);
    long partials = scratch.bytes((2L * blocks + 3) * channels * Float.BYTES);
    long terms = partials + 2L * blocks * channels * Float.BYTES;
    Launch sums = overColumns(backwardSums.of(x.dtype()), x, blocks);
    sums.arguments()
        .tensor(dy)
        .tensorOrNull(y)
        .tensor(x)
        .tensor(mean)
        .address(partials)
        .int64(x.rows())
        .int32(channels);
    queue.run(sums);
    Launch finish = warpEach(gradients.of(x.dtype()), channels);
    finish
        .arguments()
        .address(partials)
        .int32(blocks)
        .int64(x.rows())
        .int32(channels)
        .tensor(rstd)
        .tensor(weight)
        .tensor(dweight)
        .tensor(dbias)
        .address(terms);
    queue.run(finish);
    Launch last = queue.overElements(backward.of(x.dtype()), x.size());
    last.arguments()
        .tensor(dy)
        .tensor(x)
        .tensor(mean)
        .address(terms)
        .tensor(dx)
        .int64(x.size())
        .int32(channels);
    queue.run(last);
  }

  /** Blocks of rows; as many as the device runs at once, or fewer where there is little to sum. */
  private int blocks(Tensor x) {
    long enough = (x.size() + ELEMENTS_PER_BLOCK - 1) / ELEMENTS_PER_BLOCK;
    long most = (long) BLOCKS_PER_MULTIPROCESSOR * queue.device().multiprocessors();
    return (int) Math.max(1, Math.min(Math.min(enough, most), x.rows()));
  }

  private static Launch overColumns(Launch launch, Tensor x, int blocks) {
    int across = (x.columns() + COLUMNS_PER_BLOCK - 1) / COLUMNS_PER_BLOCK;
    return launch.grid(across, blocks, 1).block(KernelQueue.THREADS);
  }

  private static Launch warpEach(Launch launch, int channels) {
    int perBlock = KernelQueue.THREADS / WARP;
    return launch.grid((channels + perBlock - 1) / perBlock).block(KernelQueue.THREADS);
  }

  private static void requireFloats(String op, int channels, Tensor... vectors) {
    for (Tensor vector : vectors) {
      Doors.requireVector(op + ": channels", vector, channels, DType.F32);
    }
  }

  private static void requireLike(String what, Tensor tensor, Tensor x) {
    Doors.requireMatrix(what, tensor, x.rows(), x.columns());
    Doors.requireType(what, tensor, x.dtype());
  }
}
