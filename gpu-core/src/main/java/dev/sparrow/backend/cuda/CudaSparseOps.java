package dev.sparrow.backend.cuda;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.CudaSettings.SparseUse;
import dev.sparrow.backend.SparseOps;
import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.backend.cuda.GemmCall.Form;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;

/**
 * Uniformly sparse products, each by the pattern's own kernel ({@link SparseEngines}) where it has
 * one that takes the call. Else through the whole matrix: {@code sparse/uniform.cu} writes the
 * values to their places, or takes the gradient from them, and the dense product does the rest.
 * Memory for one matrix is then held, and no time is saved.
 */
final class CudaSparseOps implements SparseOps {
  private final KernelQueue queue;
  private final CudaMatmulOps matmul;
  private final SparseUse use;
  private final SparseOperands operands;
  private final GemmCall call = new GemmCall();
  private final Scratch matrix;
  private final KernelQueue.ByType expand;
  private final Launch sample;
  private final Launch mask;

  CudaSparseOps(KernelQueue queue, CudaMatmulOps matmul, SparseUse use) {
    this.queue = queue;
    this.matmul = matmul;
    this.use = use;
    this.operands = new SparseOperands(queue);
    this.matrix = queue.scratch("matrix of a sparse weight");
    this.expand = queue.kernels("uniform_expand");
    this.sample = queue.kernel("uniform_sample_f32");
    this.mask = queue.kernel("uniform_mask_f32");
  }

  @Override
  public SparsePattern load(UniformPattern pattern) {
    return new CudaSparsePattern(operands, use, pattern);
  }

  /** A pattern that is multiplied whole, if at all. */
  SparsePattern loadWhole(UniformPattern pattern) {
    return new CudaSparsePattern(operands, SparseUse.DENSE, pattern);
  }

  @Override
  public void forward(
      Tensor x, Tensor values, SparsePattern loaded, Tensor bias, Tensor residual, Tensor y) {
    UniformPattern pattern = loaded.pattern();
    Doors.requireMatrix("x", x, x.rows(), pattern.columns());
    Doors.requireMatrix("y", y, x.rows(), pattern.rows());
    requireValues("values", values, pattern);
    CudaMatmulOps.requireBias(bias, x, y);
    boolean adds = CudaMatmulOps.isAccumulated(residual, y);
    product(Form.NT, x, values, y, pattern).withBias(bias).accumulating(adds);
    if (!ran(engines(loaded).forward(), call.withResidual(adds ? null : residual))) {
      matmul.forward(x, expanded(values, loaded), bias, residual, y);
    }
  }

  @Override
  public void activatedForward(
      Activation f,
      Tensor x,
      Tensor values,
      SparsePattern loaded,
      Tensor bias,
      Tensor h,
      Tensor y) {
    UniformPattern pattern = loaded.pattern();
    Doors.requireMatrix("x", x, x.rows(), pattern.columns());
    Doors.requireMatrix("y", y, x.rows(), pattern.rows());
    requireValues("values", values, pattern);
    CudaMatmulOps.requireBias(bias, x, y);
    CudaMatmulOps.requireActivated(values, h, y);
    product(Form.NT, x, values, y, pattern).withBias(bias).withActivation(f, h);
    if (!ran(engines(loaded).forward(), call)) {
      matmul.activatedForward(f, x, expanded(values, loaded), bias, h, y);
    }
  }

  @Override
  public void activatedBackwardInput(
      Activation f, Tensor dy, Tensor values, SparsePattern loaded, Tensor h, Tensor dh) {
    UniformPattern pattern = loaded.pattern();
    Doors.requireMatrix("dy", dy, dy.rows(), pattern.rows());
    Doors.requireMatrix("dh", dh, dy.rows(), pattern.columns());
    requireValues("values", values, pattern);
    CudaMatmulOps.requireActivated(values, h, dh);
    product(Form.NN, dy, values, dh, pattern).withActivation(f, h);
    if (!ran(engines(loaded).backwardInput(), call)) {
      matmul.activatedBackwardInput(f, dy, expanded(values, loaded), h, dh);
    }
  }

  @Override
  public void backwardInput(
      Tensor dy, Tensor values, SparsePattern loaded, boolean accumulate, Tensor dx) {
    UniformPattern pattern = loaded.pattern();
    Doors.requireMatrix("dy", dy, dy.rows(), pattern.rows());
    Doors.requireMatrix("dx", dx, dy.rows(), pattern.columns());
    requireValues("values", values, pattern);
    product(Form.NN, dy, values, dx, pattern).accumulating(accumulate);
    if (!ran(engines(loaded).backwardInput(), call)) {
      matmul.backwardInput(dy, expanded(values, loaded), accumulate, dx);
    }
  }

  @Override
  public void backwardWeight(
      Tensor dy, Tensor x, SparsePattern loaded, Tensor dvalues, Tensor dbias) {
    UniformPattern pattern = loaded.pattern();
    requireValues("dvalues", dvalues, pattern);
    Doors.requireType("dvalues", dvalues, DType.F32);
    Doors.requireMatrix("dy", dy, dy.rows(), pattern.rows());
    Doors.requireMatrix("x", x, dy.rows(), pattern.columns());
    if (dy.rows() == 0) {
      return;
    }
    if (ran(engines(loaded).backwardWeight(), product(Form.TN, dy, x, dvalues, pattern))) {
      matmul.addBiasGradient(dy, dbias);
      return;
    }
    Tensor dw = matrix(pattern, DType.F32);
    queue.stream().zero(DeviceStorage.address(dw), dw.bytes());
    matmul.backwardWeight(dy, x, dw, dbias);
    sample(dw, loaded, dvalues);
  }

  @Override
  public void expand(Tensor values, SparsePattern loaded, Tensor w) {
    UniformPattern pattern = loaded.pattern();
    requireValues("values", values, pattern);
    Doors.requireMatrix("w", w, pattern.rows(), pattern.columns());
    DType type = Doors.equalTypes("expand: values, w", values, w);
    queue.stream().zero(DeviceStorage.address(w), w.bytes());
    run(expand.of(type), values, loaded, w);
  }

  @Override
  public void sample(Tensor w, SparsePattern loaded, Tensor values) {
    UniformPattern pattern = loaded.pattern();
    requireValues("values", values, pattern);
    Doors.requireMatrix("w", w, pattern.rows(), pattern.columns());
    Doors.requireType("w", w, DType.F32);
    Doors.requireType("values", values, DType.F32);
    run(sample, w, loaded, values);
  }

  /** The product as engines take it; a gradient of values (TN) has the sizes of one group's. */
  private GemmCall product(Form form, Tensor a, Tensor b, Tensor c, UniformPattern pattern) {
    return switch (form) {
      case NT -> call.sparse(form, a, b, c, a.rows(), pattern.rows(), pattern.fanIn());
      case NN -> call.sparse(form, a, b, c, a.rows(), pattern.columns(), pattern.fanIn());
      case TN -> call.sparse(form, a, b, c, pattern.groupRows(), pattern.fanIn(), a.rows());
    };
  }

  private static SparseEngines engines(SparsePattern loaded) {
    return ((CudaSparsePattern) loaded).engines();
  }

  /** Queues the product at the engine, unless there is none or it does not take this one. */
  private static boolean ran(GemmEngine engine, GemmCall product) {
    if (engine == null || product.m() == 0 || !engine.fits(product)) {
      return false;
    }
    engine.run(product);
    return true;
  }

  @Override
  public void mask(Tensor bits, Tensor w) {
    Doors.requireType("w", w, DType.F32);
    Doors.requireType("bits", bits, DType.I32);
    Doors.requireSize("bits", bits, SparseOps.maskWords(Math.toIntExact(w.size())));
    queue.overElements(mask, w.size());
    mask.arguments().tensor(bits).tensor(w).int64(w.size());
    queue.run(mask);
  }

  /** Expand and sample: from, columns, groups, to. */
  private void run(Launch launch, Tensor from, SparsePattern loaded, Tensor to) {
    UniformPattern pattern = loaded.pattern();
    if (pattern.nonZeros() == 0) {
      return;
    }
    CudaSparsePattern sparse = (CudaSparsePattern) loaded;
    queue.overElements(launch, pattern.nonZeros());
    launch
        .arguments()
        .tensor(from)
        .address(sparse.indices())
        .address(sparse.liveGroups())
        .tensor(to)
        .int64(pattern.liveRows())
        .int32(pattern.fanIn())
        .int32(pattern.groupRows())
        .int32(pattern.columns());
    queue.run(launch);
  }

  private Tensor expanded(Tensor values, SparsePattern loaded) {
    Tensor w = matrix(loaded.pattern(), values.dtype());
    expand(values, loaded, w);
    return w;
  }

  /** The one matrix that is held, valid until the next call. */
  private Tensor matrix(UniformPattern pattern, DType type) {
    Shape shape = Shape.of(pattern.rows(), pattern.columns());
    long address = matrix.bytes(shape.size() * type.bytes());
    return new Tensor(new DeviceStorage(type, shape.size(), address), 0, shape);
  }

  private static void requireValues(String name, Tensor values, UniformPattern pattern) {
    Doors.requireMatrix(name, values, pattern.liveRows(), pattern.fanIn());
  }
}
