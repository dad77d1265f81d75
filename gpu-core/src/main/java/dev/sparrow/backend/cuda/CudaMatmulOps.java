package dev.sparrow.backend.cuda;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.GatheredMatmulOps;
import dev.sparrow.backend.MatmulOps;
import dev.sparrow.backend.cuda.GemmCall.Form;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/** Products, each by the first engine that takes it. */
final class CudaMatmulOps implements MatmulOps {
  private static final int COLUMNS_PER_BLOCK = 256;

  /** Rows that a block sums for a bias gradient: long enough that the partial sums are few. */
  private static final int ROWS_PER_BLOCK = 256;

  private final KernelQueue queue;
  private final List<GemmEngine> engines;
  private final String description;
  private final PartialSums sums;
  private final KernelQueue.ByType columnPartials;
  private final Scratch partials;
  private final GemmCall call = new GemmCall();
  private final GatheredMatmulOps gathered; // null on Hopper

  /**
   * @param library asked before this project's kernels; null for these alone
   * @param timed whether each product goes to the faster of the two at its first call
   */
  CudaMatmulOps(KernelQueue queue, PartialSums sums, CublasLtGemm library, boolean timed) {
    this.queue = queue;
    this.sums = sums;
    List<GemmEngine> kernels = kernels(queue, sums);
    this.engines = engines(queue, library, timed, kernels);
    String own = kernels.get(0).description();
    this.description = library == null ? own : engines.get(0).description() + ", " + own;
    this.columnPartials = queue.kernels("column_partials");
    this.partials = queue.scratch("bias gradients");
    this.gathered =
        HopperGemm.runsOn(queue.device().capability()) ? null : new CudaGatheredMatmulOps(this);
  }

  private static List<GemmEngine> engines(
      KernelQueue queue, CublasLtGemm library, boolean timed, List<GemmEngine> kernels) {
    if (library == null) {
      return kernels;
    }
    List<GemmEngine> engines = new ArrayList<>(kernels);
    engines.add(0, timed ? new TimedGemm(queue, library, kernels) : library);
    return List.copyOf(engines);
  }

  private static List<GemmEngine> kernels(KernelQueue queue, PartialSums sums) {
    List<GemmEngine> engines = new ArrayList<>();
    if (HopperGemm.runsOn(queue.device().capability())) {
      engines.add(new HopperGemm(queue));
    }
    engines.add(new MmaGemm(queue));
    DepthParts depthParts = new DepthParts(queue, sums);
    engines.add(new SplitGemm(queue, depthParts));
    engines.add(new PlainGemm(queue, depthParts));
    return List.copyOf(engines);
  }

  /** The preferred ways to multiply, in words. */
  String description() {
    return description;
  }

  @Override
  public void forward(Tensor x, Tensor w, Tensor bias, Tensor residual, Tensor y) {
    requireForward(x, w, bias, y);
    boolean accumulate = isAccumulated(residual, y);
    run(call.dense(Form.NT, x, w, bias, accumulate, y).withResidual(accumulate ? null : residual));
  }

  @Override
  public void activatedForward(Activation f, Tensor x, Tensor w, Tensor bias, Tensor h, Tensor y) {
    requireForward(x, w, bias, y);
    requireActivated(w, h, y);
    run(call.dense(Form.NT, x, w, bias, false, y).withActivation(f, h));
  }

  private static void requireForward(Tensor x, Tensor w, Tensor bias, Tensor y) {
    requireColumns("forward: w", w, x.columns());
    Doors.requireMatrix("forward: y", y, x.rows(), w.rows());
    requireBias(bias, x, y);
  }

  static void requireBias(Tensor bias, Tensor x, Tensor y) {
    if (bias != null) {
      Doors.requireSize("forward: bias", bias, y.columns());
      Doors.requireType("forward: bias", bias, x.dtype());
    }
  }

  /** Whether a residual, which fits y if it is not null, is y itself. */
  static boolean isAccumulated(Tensor residual, Tensor y) {
    if (residual == null) {
      return false;
    }
    Doors.requireMatrix("forward: residual", residual, y.rows(), y.columns());
    Doors.requireType("forward: residual", residual, y.dtype());
    return DeviceStorage.address(residual) == DeviceStorage.address(y);
  }

  @Override
  public void backwardInput(Tensor dy, Tensor w, boolean accumulate, Tensor dx) {
    requireBackwardInput(dy, w, dx);
    run(call.dense(Form.NN, dy, w, null, accumulate, dx));
  }

  @Override
  public void activatedBackwardInput(Activation f, Tensor dy, Tensor w, Tensor h, Tensor dh) {
    requireBackwardInput(dy, w, dh);
    requireActivated(w, h, dh);
    run(call.dense(Form.NN, dy, w, null, false, dh).withActivation(f, h));
  }

  private static void requireBackwardInput(Tensor dy, Tensor w, Tensor dx) {
    if (w.rows() != dy.columns()) {
      throw new IllegalArgumentException(
          "backwardInput: w: expected [%d, ..], got %s".formatted(dy.columns(), w));
    }
    Doors.requireMatrix("backwardInput: dx", dx, dy.rows(), w.columns());
  }

  /** Only products that are bf16 throughout have a nonlinearity. */
  static void requireActivated(Tensor w, Tensor h, Tensor result) {
    Doors.requireType("activated product: w", w, DType.BF16);
    Doors.requireMatrix("activated product: h", h, result.rows(), result.columns());
    Doors.requireType("activated product: h", h, DType.BF16);
    Doors.requireType("activated product: result", result, DType.BF16);
  }

  @Override
  public void backwardWeight(Tensor dy, Tensor x, Tensor dw, Tensor dbias) {
    requireRows("backwardWeight: x", x, dy.rows());
    Doors.requireMatrix("backwardWeight: dw", dw, dy.columns(), x.columns());
    requireBiasGradient(dy, dbias);
    run(call.dense(Form.TN, dy, x, null, true, dw));
    addBiasGradient(dy, dbias);
  }

  private static void requireBiasGradient(Tensor dy, Tensor dbias) {
    if (dbias != null) {
      Doors.requireSize("backwardWeight: dbias", dbias, dy.columns());
      Doors.requireType("backwardWeight: dbias", dbias, DType.F32);
    }
  }

  /** {@code dbias += Σ_rows dy}, unless null. */
  void addBiasGradient(Tensor dy, Tensor dbias) {
    requireBiasGradient(dy, dbias);
    if (dbias != null && dy.rows() > 0) {
      addColumns(dy, dbias);
    }
  }

  /** {@code sum_c += Σ_rows dy_rc}. */
  private void addColumns(Tensor dy, Tensor sum) {
    int columns = dy.columns();
    int blocks = (dy.rows() + ROWS_PER_BLOCK - 1) / ROWS_PER_BLOCK;
    long address = partials.bytes((long) blocks * columns * Float.BYTES);
    Launch launch = columnPartials.of(dy.dtype());
    launch
        .grid((columns + COLUMNS_PER_BLOCK - 1) / COLUMNS_PER_BLOCK, blocks, 1)
        .block(KernelQueue.THREADS);
    launch.arguments().tensor(dy).address(address).int64(dy.rows()).int32(columns);
    queue.run(launch);
    sums.add(address, blocks, columns, sum);
  }

  @Override
  public void groupedForward(Tensor x, Tensor w, Tensor offsets, Tensor y) {
    requireGroupedForward(x, w, offsets, y);
    run(call.grouped(Form.NT, x, w, offsets, false, y));
  }

  @Override
  public void groupedActivatedForward(
      Activation f, Tensor x, Tensor w, Tensor offsets, Tensor h, Tensor y) {
    requireGroupedForward(x, w, offsets, y);
    requireActivated(w, h, y);
    run(call.grouped(Form.NT, x, w, offsets, false, y).withActivation(f, h));
  }

  private static void requireGroupedForward(Tensor x, Tensor w, Tensor offsets, Tensor y) {
    requireGroups("groupedForward: w", w, offsets);
    requireColumns("groupedForward: w", w, x.columns());
    Doors.requireMatrix("groupedForward: y", y, x.rows(), w.dim(1));
  }

  @Override
  public void groupedBackwardInput(
      Tensor dy, Tensor w, Tensor offsets, boolean accumulate, Tensor dx) {
    requireGroupedBackwardInput(dy, w, offsets, dx);
    run(call.grouped(Form.NN, dy, w, offsets, accumulate, dx));
  }

  @Override
  public void groupedActivatedBackwardInput(
      Activation f, Tensor dy, Tensor w, Tensor offsets, Tensor h, Tensor dh) {
    requireGroupedBackwardInput(dy, w, offsets, dh);
    requireActivated(w, h, dh);
    run(call.grouped(Form.NN, dy, w, offsets, false, dh).withActivation(f, h));
  }

  private static void requireGroupedBackwardInput(Tensor dy, Tensor w, Tensor offsets, Tensor dx) {
    requireGroups("groupedBackwardInput: w", w, offsets);
    requireColumns("groupedBackwardInput: dy", dy, w.dim(1));
    Doors.requireMatrix("groupedBackwardInput: dx", dx, dy.rows(), w.columns());
  }

  @Override
  public void groupedBackwardWeight(Tensor dy, Tensor x, Tensor offsets, Tensor dw) {
    requireGroups("groupedBackwardWeight: dw", dw, offsets);
    requireRows("groupedBackwardWeight: x", x, dy.rows());
    requireColumns("groupedBackwardWeight: dw", dw, x.columns());
    requireColumns("groupedBackwardWeight: dy", dy, dw.dim(1));
    run(call.grouped(Form.TN, dy, x, offsets, true, dw));
  }

  /** On Hopper a copy pays: the kernels that are much the fastest there do not gather. */
  @Override
  public GatheredMatmulOps gathered() {
    return gathered;
  }

  /** Queues the product at the first engine that takes it. */
  void run(GemmCall product) {
    if (product.m() == 0 || product.n() == 0 || product.k() == 0) {
      requireNothingToWrite(product);
      return;
    }
    for (GemmEngine engine : engines) {
      if (engine.fits(product)) {
        engine.run(product);
        return;
      }
    }
    throw new IllegalArgumentException(
        "product: expected bf16 operands, or those of a router's fp32 weight, got " + product);
  }

  /** Without rows there is nothing to do; without depth C would be zero or the bias. */
  private static void requireNothingToWrite(GemmCall product) {
    if (product.k() == 0 && product.m() > 0 && product.n() > 0 && !product.accumulates()) {
      throw new IllegalArgumentException("product: expected a depth of at least 1, got " + product);
    }
  }

  private static void requireColumns(String what, Tensor tensor, int columns) {
    if (tensor.columns() != columns) {
      throw new IllegalArgumentException(
          "%s: expected [.., %d], got %s".formatted(what, columns, tensor));
    }
  }

  private static void requireRows(String what, Tensor tensor, int rows) {
    if (tensor.rows() != rows) {
      throw new IllegalArgumentException(
          "%s: expected [%d, ..], got %s".formatted(what, rows, tensor));
    }
  }

  static void requireGroups(String what, Tensor weight, Tensor offsets) {
    Doors.requireType("offsets", offsets, DType.I32);
    if (weight.shape().rank() != 3 || weight.dim(0) != offsets.size() - 1) {
      throw new IllegalArgumentException(
          "%s: expected [%d, .., ..], got %s".formatted(what, offsets.size() - 1, weight));
    }
  }
}
