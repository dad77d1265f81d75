package dev.sparrow.backend.cuda;

import dev.sparrow.backend.Draws;
import dev.sparrow.backend.ElementwiseOps;
import dev.sparrow.backend.cuda.KernelQueue.ByType;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/** Launches of {@code nn/elementwise.cu} and of the norm in {@code optim/adamw.cu}. */
final class CudaElementwiseOps implements ElementwiseOps {
  private final KernelQueue queue;
  private final TokenOrigin origin;
  private final DoubleSums sums;
  private final ByType fill;
  private final Launch fillInts;
  private final ByType add;
  private final ByType axpy;
  private final ByType scale;
  private final ByType dropout;
  private final ByType squaredNorm;
  private final Launch toBf16;
  private final Launch toF32;

  CudaElementwiseOps(KernelQueue queue, TokenOrigin origin, DoubleSums sums) {
    this.queue = queue;
    this.origin = origin;
    this.sums = sums;
    this.fill = queue.kernels("fill");
    this.fillInts = queue.kernel("fill_i32");
    this.add = queue.kernels("add");
    this.axpy = queue.kernels("axpy");
    this.scale = queue.kernels("scale");
    this.dropout = queue.kernels("dropout");
    this.squaredNorm = queue.kernels("squared_norm_partials");
    this.toBf16 = queue.kernel("convert_f32_bf16");
    this.toF32 = queue.kernel("convert_bf16_f32");
  }

  @Override
  public void fill(Tensor out, double value) {
    if (out.size() == 0) {
      return;
    }
    boolean ints = out.dtype() == DType.I32;
    Launch launch = queue.overElements(ints ? fillInts : fill.of(out.dtype()), out.size());
    ArgumentBlock arguments = launch.arguments();
    if (ints) {
      arguments.int32((int) value);
    } else {
      arguments.float32((float) value);
    }
    arguments.tensor(out).int64(out.size());
    queue.run(launch);
  }

  @Override
  public void copy(Tensor x, Tensor out) {
    long n = Doors.equalSizes("copy: x, out", x, out);
    if (n == 0) {
      return;
    }
    if (x.dtype() == out.dtype()) {
      queue.stream().copy(DeviceStorage.address(x), DeviceStorage.address(out), x.bytes());
      return;
    }
    Launch launch = queue.overElements(converter(x, out), n);
    launch.arguments().tensor(x).tensor(out).int64(n);
    queue.run(launch);
  }

  private Launch converter(Tensor x, Tensor out) {
    if (x.dtype() == DType.F32 && out.dtype() == DType.BF16) {
      return toBf16;
    }
    if (x.dtype() == DType.BF16 && out.dtype() == DType.F32) {
      return toF32;
    }
    throw new IllegalArgumentException(
        "copy: x, out: expected equal dtypes or F32 and BF16, got " + x + " and " + out);
  }

  @Override
  public void add(Tensor a, Tensor b, Tensor out) {
    long n = Doors.equalSizes("add: a, b, out", a, b, out);
    DType type = Doors.equalTypes("add: a, b, out", a, b, out);
    if (n > 0) {
      Launch launch = queue.overElements(add.of(type), n);
      launch.arguments().tensor(a).tensor(b).tensor(out).int64(n);
      queue.run(launch);
    }
  }

  @Override
  public void axpy(double alpha, Tensor x, Tensor out) {
    scaled("axpy: x, out", axpy, alpha, x, out);
  }

  @Override
  public void scale(double alpha, Tensor x, Tensor out) {
    scaled("scale: x, out", scale, alpha, x, out);
  }

  private void scaled(String names, ByType kernel, double alpha, Tensor x, Tensor out) {
    long n = Doors.equalSizes(names, x, out);
    DType type = Doors.equalTypes(names, x, out);
    if (n > 0) {
      Launch launch = queue.overElements(kernel.of(type), n);
      launch.arguments().float32((float) alpha).tensor(x).tensor(out).int64(n);
      queue.run(launch);
    }
  }

  @Override
  public void dropout(Tensor x, double p, Draws draws, Tensor out) {
    long n = Doors.equalSizes("dropout: x, out", x, out);
    DType type = Doors.equalTypes("dropout: x, out", x, out);
    Dropped dropped = Dropped.of("dropout", p);
    if (n > 0) {
      Launch launch = queue.overElements(dropout.of(type), n);
      long firstToken = origin.of(draws);
      launch
          .arguments()
          .tensor(x)
          .int32(dropped.below())
          .float32(dropped.scale())
          .draws(draws, firstToken)
          .tensor(out)
          .int64(n);
      queue.run(launch);
    }
  }

  @Override
  public void squaredNorm(Tensor x, Tensor total) {
    sums.add("squared norm", squaredNorm.of(x.dtype()), x, false, total);
  }

  @Override
  public double squaredNormSync(Tensor x) {
    return sums.sync(squaredNorm.of(x.dtype()), x);
  }
}
