package dev.sparrow.backend.cuda;

import dev.sparrow.backend.ConvOps;
import dev.sparrow.backend.ConvShape;
import dev.sparrow.backend.MatmulOps;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;

/**
 * Convolutions as implicit products on tensor cores; those of sizes that do not fit them, such as a
 * network's first, as products of patches, of some images at a time, that {@code nn/window.cu}
 * makes. Rows of patches and filters are then padded with zeros to what tensor cores take.
 */
final class CudaConvOps implements ConvOps {
  /** Numbers of patches that are held at a time, unless one image has more: 32 MiB. */
  private static final long PATCH_NUMBERS = 1 << 24;

  private static final int COLUMN_MULTIPLE = 8;

  private final KernelQueue queue;
  private final MatmulOps matmul;
  private final ImplicitGemm implicit;
  private final WindowStruct window = new WindowStruct();
  private final Scratch scratch;
  private final Scratch filters;
  private final Launch padColumns;
  private final Launch addColumns;
  private final KernelQueue.ByType patches;
  private final KernelQueue.ByType patchesBackward;
  private final KernelQueue.ByType maxPool;
  private final KernelQueue.ByType maxPoolBackward;

  CudaConvOps(KernelQueue queue, PartialSums sums, MatmulOps matmul) {
    this.queue = queue;
    this.matmul = matmul;
    this.implicit = new ImplicitGemm(queue, sums);
    this.scratch = queue.scratch("patches");
    this.filters = queue.scratch("padded filters");
    this.padColumns = queue.kernel("pad_columns_bf16");
    this.addColumns = queue.kernel("add_columns_f32");
    this.patches = queue.kernels("patches");
    this.patchesBackward = queue.kernels("patches_backward");
    this.maxPool = queue.kernels("max_pool");
    this.maxPoolBackward = queue.kernels("max_pool_backward");
  }

  @Override
  public void forward(ConvShape s, Tensor x, Tensor w, Tensor y) {
    requireProduct(s, "x", x, "w", w, "y", y);
    if (s.isPointwise()) {
      matmul.forward(x, w, null, null, y);
    } else if (implicit.fits(s, y.columns(), x, w, y)) {
      implicit.forward(s, x, w, y);
    } else {
      Tensor padded = padded(w);
      forSomeImages(
          s,
          (some, first, rows) -> {
            writePatches(some, inRows(some, x, first), rows);
            matmul.forward(rows, padded, null, null, outRows(some, y, first));
          });
    }
  }

  @Override
  public void backwardInput(ConvShape s, Tensor dy, Tensor w, boolean accumulate, Tensor dx) {
    requireProduct(s, "dx", dx, "w", w, "dy", dy);
    if (s.isPointwise()) {
      matmul.backwardInput(dy, w, accumulate, dx);
    } else if (implicit.fits(s, dy.columns(), dy, w, dx)) {
      implicit.backwardInput(s, dy, w, accumulate, dx);
    } else {
      Tensor padded = padded(w);
      forSomeImages(
          s,
          (some, first, rows) -> {
            matmul.backwardInput(outRows(some, dy, first), padded, false, rows);
            sumPatches(some, rows, accumulate, inRows(some, dx, first));
          });
    }
  }

  @Override
  public void backwardWeight(ConvShape s, Tensor dy, Tensor x, Tensor dw) {
    requireProduct(s, "x", x, "dw", dw, "dy", dy);
    Doors.requireType("dw", dw, DType.F32);
    if (s.isPointwise()) {
      matmul.backwardWeight(dy, x, dw, null);
    } else if (implicit.fits(s, dy.columns(), dy, x)) {
      implicit.backwardWeight(s, dy, x, dw);
    } else {
      addWeightGradient(s, dy, x, dw);
    }
  }

  private void addWeightGradient(ConvShape s, Tensor dy, Tensor x, Tensor dw) {
    int stride = paddedColumns(s.patch());
    Tensor sum = matrix(filters, DType.F32, dw.rows(), stride);
    queue.stream().zero(DeviceStorage.address(sum), sum.bytes());
    forSomeImages(
        s,
        (some, first, rows) -> {
          writePatches(some, inRows(some, x, first), rows);
          matmul.backwardWeight(outRows(some, dy, first), rows, sum, null);
        });
    queue.overElements(addColumns, dw.size());
    addColumns.arguments().tensor(sum).int32(stride).tensor(dw).int32(s.patch()).int64(dw.rows());
    queue.run(addColumns);
  }

  /** Filters with zeros behind each. */
  private Tensor padded(Tensor w) {
    Doors.requireType("w", w, DType.BF16);
    Tensor padded = matrix(filters, DType.BF16, w.rows(), paddedColumns(w.columns()));
    queue.overElements(padColumns, padded.size());
    padColumns
        .arguments()
        .tensor(w)
        .int32(w.columns())
        .tensor(padded)
        .int32(padded.columns())
        .int64(w.rows());
    queue.run(padColumns);
    return padded;
  }

  private static int paddedColumns(int columns) {
    return (columns + COLUMN_MULTIPLE - 1) / COLUMN_MULTIPLE * COLUMN_MULTIPLE;
  }

  private static Tensor matrix(Scratch memory, DType type, int rows, int columns) {
    Shape shape = Shape.of(rows, columns);
    long address = memory.bytes(shape.size() * type.bytes());
    return new Tensor(new DeviceStorage(type, shape.size(), address), 0, shape);
  }

  /** What is done with the patches of some images. */
  @FunctionalInterface
  private interface SomeImages {
    /**
     * @param some the window over these images
     * @param first number of the first
     * @param rows BF16 (outRows, patch padded), scratch; zero past the patches
     */
    void run(ConvShape some, int first, Tensor rows);
  }

  private void forSomeImages(ConvShape s, SomeImages body) {
    int stride = paddedColumns(s.patch());
    long each = (long) s.withImages(1).outRows() * stride;
    int count = (int) Math.min(s.images(), Math.max(1, PATCH_NUMBERS / each));
    for (int first = 0; first < s.images(); first += count) {
      ConvShape some = s.withImages(Math.min(count, s.images() - first));
      Tensor rows = matrix(scratch, DType.BF16, some.outRows(), stride);
      if (stride > s.patch()) {
        queue.stream().zero(DeviceStorage.address(rows), rows.bytes());
      }
      body.run(some, first, rows);
    }
  }

  private static Tensor inRows(ConvShape some, Tensor x, int first) {
    return x.slice(first * some.height() * some.width(), some.rows());
  }

  private static Tensor outRows(ConvShape some, Tensor y, int first) {
    return y.slice(first * some.outHeight() * some.outWidth(), some.outRows());
  }

  private static void requireProduct(
      ConvShape s, String input, Tensor x, String weight, Tensor w, String output, Tensor y) {
    Doors.requireMatrix(input, x, s.rows(), s.channels());
    Doors.requireMatrix(output, y, s.outRows(), w.rows());
    Doors.requireMatrix(weight, w, y.columns(), s.patch());
  }

  @Override
  public void patches(ConvShape s, Tensor x, Tensor to) {
    Doors.requireMatrix("x", x, s.rows(), s.channels());
    Doors.requireMatrix("patches", to, s.outRows(), s.patch());
    writePatches(s, x, to);
  }

  /**
   * @param to (outRows, at least patch)
   */
  private void writePatches(ConvShape s, Tensor x, Tensor to) {
    DType type = Doors.equalTypes("patches: x, patches", x, to);
    if (to.size() > 0) {
      Launch launch = over(patches, type, to.size());
      launch
          .arguments()
          .tensor(x)
          .tensor(to)
          .int32(to.columns())
          .struct(window.of(s))
          .int64(s.outRows());
      queue.run(launch);
    }
  }

  @Override
  public void patchesBackward(ConvShape s, Tensor dpatches, boolean accumulate, Tensor dx) {
    Doors.requireMatrix("dx", dx, s.rows(), s.channels());
    Doors.requireMatrix("dpatches", dpatches, s.outRows(), s.patch());
    sumPatches(s, dpatches, accumulate, dx);
  }

  /**
   * @param dpatches (outRows, at least patch)
   */
  private void sumPatches(ConvShape s, Tensor dpatches, boolean accumulate, Tensor dx) {
    DType type = Doors.equalTypes("patchesBackward: dpatches, dx", dpatches, dx);
    if (dx.size() > 0) {
      Launch launch = over(patchesBackward, type, dx.size());
      launch
          .arguments()
          .tensor(dpatches)
          .int32(dpatches.columns())
          .tensor(dx)
          .struct(window.of(s))
          .int64(s.rows())
          .int32(accumulate ? 1 : 0);
      queue.run(launch);
    }
  }

  @Override
  public void maxPool(ConvShape s, Tensor x, Tensor y, Tensor taps) {
    Doors.requireMatrix("x", x, s.rows(), s.channels());
    Doors.requireMatrix("y", y, s.outRows(), s.channels());
    Doors.requireVector("taps", taps, y.size(), DType.I32);
    if (y.size() > 0) {
      Launch launch = over(maxPool, Doors.equalTypes("maxPool: x, y", x, y), y.size());
      launch.arguments().tensor(x).tensor(y).tensor(taps).struct(window.of(s)).int64(s.outRows());
      queue.run(launch);
    }
  }

  @Override
  public void maxPoolBackward(ConvShape s, Tensor dy, Tensor taps, Tensor dx) {
    Doors.requireMatrix("dx", dx, s.rows(), s.channels());
    Doors.requireMatrix("dy", dy, s.outRows(), s.channels());
    Doors.requireVector("taps", taps, dy.size(), DType.I32);
    if (dx.size() > 0) {
      DType type = Doors.equalTypes("maxPoolBackward: dy, dx", dy, dx);
      Launch launch = over(maxPoolBackward, type, dx.size());
      launch.arguments().tensor(dy).tensor(taps).tensor(dx).struct(window.of(s)).int64(s.rows());
      queue.run(launch);
    }
  }

  private Launch over(KernelQueue.ByType kernel, DType type, long elements) {
    return queue.overElements(kernel.of(type), elements);
  }
}
