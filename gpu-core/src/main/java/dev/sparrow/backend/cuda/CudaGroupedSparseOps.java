package dev.sparrow.backend.cuda;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.GroupedSparseOps;
import dev.sparrow.backend.MatmulOps;
import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;

/**
 * Uniformly sparse experts through their whole matrices: the values are written to their places, or
 * the gradient taken from them, and the grouped dense product on tensor cores does the rest, with
 * offsets that never leave the device. Memory for one stack is held; no time is saved.
 */
final class CudaGroupedSparseOps implements GroupedSparseOps {
  private final KernelQueue queue;
  private final MatmulOps matmul;
  private final CudaSparseOps sparse;
  private final Scratch stack;

  CudaGroupedSparseOps(KernelQueue queue, MatmulOps matmul, CudaSparseOps sparse) {
    this.queue = queue;
    this.matmul = matmul;
    this.sparse = sparse;
    this.stack = queue.scratch("matrices of sparse experts");
  }

  @Override
  public SparsePattern load(UniformPattern pattern, int experts) {
    pattern.rowsOfEach(experts);
    return sparse.loadWhole(pattern);
  }

  @Override
  public void forward(Tensor x, Tensor values, SparsePattern loaded, Tensor offsets, Tensor y) {
    requireBatch("x", x, loaded.pattern().columns(), "y", y, out(loaded, offsets));
    matmul.groupedForward(x, expanded(values, loaded, offsets), offsets, y);
  }

  @Override
  public void activatedForward(
      Activation f,
      Tensor x,
      Tensor values,
      SparsePattern loaded,
      Tensor offsets,
      Tensor h,
      Tensor y) {
    requireBatch("x", x, loaded.pattern().columns(), "y", y, out(loaded, offsets));
    matmul.groupedActivatedForward(f, x, expanded(values, loaded, offsets), offsets, h, y);
  }

  @Override
  public void backwardInput(
      Tensor dy,
      Tensor values,
      SparsePattern loaded,
      Tensor offsets,
      boolean accumulate,
      Tensor dx) {
    requireBatch("dy", dy, out(loaded, offsets), "dx", dx, loaded.pattern().columns());
    matmul.groupedBackwardInput(dy, expanded(values, loaded, offsets), offsets, accumulate, dx);
  }

  @Override
  public void activatedBackwardInput(
      Activation f,
      Tensor dy,
      Tensor values,
      SparsePattern loaded,
      Tensor offsets,
      Tensor h,
      Tensor dh) {
    requireBatch("dy", dy, out(loaded, offsets), "dh", dh, loaded.pattern().columns());
    Tensor w = expanded(values, loaded, offsets);
    matmul.groupedActivatedBackwardInput(f, dy, w, offsets, h, dh);
  }

  @Override
  public void backwardWeight(
      Tensor dy, Tensor x, SparsePattern loaded, Tensor offsets, Tensor dvalues) {
    requireBatch("dy", dy, out(loaded, offsets), "x", x, loaded.pattern().columns());
    requireValues("dvalues", dvalues, loaded.pattern());
    Tensor dw = stack(loaded.pattern(), offsets, DType.F32);
    queue.stream().zero(DeviceStorage.address(dw), dw.bytes());
    matmul.groupedBackwardWeight(dy, x, offsets, dw);
    sparse.sample(dw, loaded, dvalues);
  }

  /** Rows of each expert's matrix. */
  private static int out(SparsePattern loaded, Tensor offsets) {
    return loaded.pattern().rowsOfEach(experts(offsets));
  }

  private static int experts(Tensor offsets) {
    return Math.toIntExact(offsets.size() - 1);
  }

  private static void requireBatch(
      String name, Tensor from, int columns, String result, Tensor to, int resultColumns) {
    Doors.requireMatrix(name, from, from.rows(), columns);
    Doors.requireMatrix(result, to, from.rows(), resultColumns);
  }

  private static void requireValues(String name, Tensor values, UniformPattern pattern) {
    Doors.requireMatrix(name, values, pattern.liveRows(), pattern.fanIn());
  }

  private Tensor expanded(Tensor values, SparsePattern loaded, Tensor offsets) {
    requireValues("values", values, loaded.pattern());
    Tensor w = stack(loaded.pattern(), offsets, values.dtype());
    sparse.expand(values, loaded, w);
    return w;
  }

  /** The one stack (experts, out, in) that is held, valid until the next call. */
  private Tensor stack(UniformPattern pattern, Tensor offsets, DType type) {
    int experts = experts(offsets);
    Shape shape = Shape.of(experts, pattern.rowsOfEach(experts), pattern.columns());
    long address = stack.bytes(shape.size() * type.bytes());
    return new Tensor(new DeviceStorage(type, shape.size(), address), 0, shape);
  }
}
