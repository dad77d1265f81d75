package dev.sparrow.backend.cuda;

import dev.sparrow.backend.NormOps;
import dev.sparrow.backend.cuda.KernelQueue.ByType;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/** Launches of {@code nn/norm.cu}: a block for each row at a time. */
final class CudaNormOps implements NormOps {
  /** Backward sums columns a block at a time: more blocks, more partial sums to read again. */
  private static final int BACKWARD_BLOCKS_PER_MULTIPROCESSOR = 4;

  private final KernelQueue queue;
  private final PartialSums sums;
  private final Scratch partials;
  private final ByType layerNorm;
  private final ByType layerNormBackward;
  private final ByType rmsNorm;
  private final ByType rmsNormBackward;

  CudaNormOps(KernelQueue queue, PartialSums sums) {
    this.queue = queue;
    this.sums = sums;
    this.partials = queue.scratch("norm gradients");
    this.layerNorm = queue.kernels("layer_norm");
    this.layerNormBackward = queue.kernels("layer_norm_backward");
    this.rmsNorm = queue.kernels("rms_norm");
    this.rmsNormBackward = queue.kernels("rms_norm_backward");
  }

  @Override
  public void layerNorm(
      Tensor x, Tensor weight, Tensor bias, double epsilon, Tensor y, Tensor mean, Tensor rstd) {
    requireForward("layerNorm", x, weight, y, rstd);
    Doors.requireVector("layerNorm: mean", mean, x.rows(), DType.F32);
    if (bias != null) {
      Doors.requireVector("layerNorm: bias", bias, x.columns(), x.dtype());
    }
    if (x.rows() == 0) {
      return;
    }
    Launch launch = forward(layerNorm, x);
    launch
        .arguments()
        .tensor(x)
        .tensor(weight)
        .tensorOrNull(bias)
        .tensor(y)
        .tensor(mean)
        .tensor(rstd)
        .int64(x.rows())
        .int32(x.columns())
        .float32((float) epsilon);
    queue.run(launch);
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, double epsilon, Tensor y, Tensor rstd) {
    requireForward("rmsNorm", x, weight, y, rstd);
    if (x.rows() == 0) {
      return;
    }
    Launch launch = forward(rmsNorm, x);
    launch
        .arguments()
        .tensor(x)
        .tensor(weight)
        .tensor(y)
        .tensor(rstd)
        .int64(x.rows())
        .int32(x.columns())
        .float32((float) epsilon);
    queue.run(launch);
  }

  @Override
  public void layerNormBackward(
      Tensor dy,
      Tensor x,
      Tensor weight,
      Tensor mean,
      Tensor rstd,
      boolean accumulate,
      Tensor dx,
      Tensor dweight,
      Tensor dbias) {
    requireBackward("layerNormBackward", dy, x, weight, rstd, dx, dweight);
    Doors.requireVector("layerNormBackward: mean", mean, x.rows(), DType.F32);
    if (dbias != null) {
      Doors.requireVector("layerNormBackward: dbias", dbias, x.columns(), DType.F32);
    }
    if (x.rows() == 0) {
      return;
    }
    int columns = x.columns();
    int blocks = backwardBlocks(x.rows());
    long address = partials.bytes(2L * blocks * columns * Float.BYTES);
    Launch launch = backward(layerNormBackward, x, blocks, 2);
    launch
        .arguments()
        .tensor(dy)
        .tensor(x)
        .tensor(weight)
        .tensor(mean)
        .tensor(rstd)
        .int32(accumulate ? 1 : 0)
        .tensor(dx)
        .address(address)
        .int64(x.rows())
        .int32(columns);
    queue.run(launch);
    sums.add(address, blocks, 2L * columns, dweight);
    if (dbias != null) {
      sums.add(address + (long) columns * Float.BYTES, blocks, 2L * columns, dbias);
    }
  }

  @Override
  public void rmsNormBackward(
      Tensor dy,
      Tensor x,
      Tensor weight,
      Tensor rstd,
      boolean accumulate,
      Tensor dx,
      Tensor dweight) {
    requireBackward("rmsNormBackward", dy, x, weight, rstd, dx, dweight);
    if (x.rows() == 0) {
      return;
    }
    int columns = x.columns();
    int blocks = backwardBlocks(x.rows());
    long address = partials.bytes((long) blocks * columns * Float.BYTES);
    Launch launch = backward(rmsNormBackward, x, blocks, 1);
    launch
        .arguments()
        .tensor(dy)
        .tensor(x)
        .tensor(weight)
        .tensor(rstd)
        .int32(accumulate ? 1 : 0)
        .tensor(dx)
        .address(address)
        .int64(x.rows())
        .int32(columns);
    queue.run(launch);
    sums.add(address, blocks, columns, dweight);
  }

  private Launch forward(ByType kernel, Tensor x) {
    return kernel
        .of(x.dtype())
        .grid(queue.blocks(x.rows(), 1))
        .block(KernelQueue.threads(x.columns()));
  }

  private Launch backward(ByType kernel, Tensor x, int blocks, int kinds) {
    return kernel
        .of(x.dtype())
        .grid(blocks)
        .block(KernelQueue.threads(x.columns()))
        .shared(kinds * x.columns() * Float.BYTES);
  }

  private int backwardBlocks(int rows) {
    return Math.min(rows, BACKWARD_BLOCKS_PER_MULTIPROCESSOR * queue.device().multiprocessors());
  }

  private static void requireForward(String op, Tensor x, Tensor weight, Tensor y, Tensor rstd) {
    Doors.requireVector(op + ": weight", weight, x.columns(), x.dtype());
    requireLike(op + ": y", y, x);
    Doors.requireVector(op + ": rstd", rstd, x.rows(), DType.F32);
  }

  private static void requireBackward(
      String op, Tensor dy, Tensor x, Tensor weight, Tensor rstd, Tensor dx, Tensor dweight) {
    requireLike(op + ": dy", dy, x);
    requireLike(op + ": dx", dx, x);
    Doors.requireVector(op + ": weight", weight, x.columns(), x.dtype());
    Doors.requireVector(op + ": rstd", rstd, x.rows(), DType.F32);
    Doors.requireVector(op + ": dweight", dweight, x.columns(), DType.F32);
  }

  private static void requireLike(String what, Tensor tensor, Tensor x) {
    Doors.requireMatrix(what, tensor, x.rows(), x.columns());
    Doors.requireType(what, tensor, x.dtype());
  }
}
