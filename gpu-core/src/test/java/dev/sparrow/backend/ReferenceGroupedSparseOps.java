package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/** Sparse experts as loops over the rows of each and over its non-zeros, in double. */
final class ReferenceGroupedSparseOps implements GroupedSparseOps {
  private final SparseOps sparse;
  private final ActivationOps activation = new ReferenceActivationOps();

  ReferenceGroupedSparseOps(SparseOps sparse) {
    this.sparse = sparse;
  }

  private interface NonZero {
    /**
     * @param batch row of the batch
     * @param row of the expert's matrix
     * @param at number of the value
     */
    void visit(int batch, int row, int column, int at);
  }

  private static void visit(SparsePattern loaded, Tensor offsets, NonZero body) {
    UniformPattern pattern = loaded.pattern();
    int out = out(loaded, offsets);
    for (int live = 0; live < pattern.liveRows(); live++) {
      int expert = pattern.row(live) / out;
      for (int b = Ints.of(offsets).get(expert); b < Ints.of(offsets).get(expert + 1); b++) {
        for (int i = 0; i < pattern.fanIn(); i++) {
          int column = pattern.indices()[pattern.start(live) + i];
          body.visit(b, pattern.row(live) % out, column, live * pattern.fanIn() + i);
        }
      }
    }
  }

  private static int out(SparsePattern loaded, Tensor offsets) {
    return loaded.pattern().rowsOfEach((int) offsets.size() - 1);
  }

  private static Tensor used(Tensor tensor, Tensor offsets) {
    return tensor.first(Ints.of(offsets).get((int) offsets.size() - 1));
  }

  private static void clear(Tensor tensor, Tensor offsets) {
    Doubles values = Doubles.of(used(tensor, offsets));
    for (int i = 0; i < used(tensor, offsets).size(); i++) {
      values.set(i, 0);
    }
  }

  @Override
  public SparsePattern load(UniformPattern pattern, int experts) {
    pattern.rowsOfEach(experts);
    return sparse.load(pattern);
  }

  @Override
  public void forward(Tensor x, Tensor values, SparsePattern loaded, Tensor offsets, Tensor y) {
    x.require("x", x.rows(), loaded.pattern().columns());
    y.require("y", x.rows(), out(loaded, offsets));
    requireValues(loaded, values);
    Doubles input = Doubles.of(x);
    Doubles v = Doubles.of(values);
    Doubles output = Doubles.of(y);
    clear(y, offsets);
    visit(
        loaded,
        offsets,
        (b, row, column, at) -> output.add(b, row, v.get(at) * input.get(b, column)));
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
    forward(x, values, loaded, offsets, h);
    activation.forward(f, used(h, offsets), used(y, offsets));
  }

  @Override
  public void backwardInput(
      Tensor dy,
      Tensor values,
      SparsePattern loaded,
      Tensor offsets,
      boolean accumulate,
      Tensor dx) {
    dy.require("dy", dy.rows(), out(loaded, offsets));
    dx.require("dx", dy.rows(), loaded.pattern().columns());
    requireValues(loaded, values);
    Doubles gradient = Doubles.of(dy);
    Doubles v = Doubles.of(values);
    Doubles input = Doubles.of(dx);
    if (!accumulate) {
      clear(dx, offsets);
    }
    visit(
        loaded,
        offsets,
        (b, row, column, at) -> input.add(b, column, v.get(at) * gradient.get(b, row)));
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
    backwardInput(dy, values, loaded, offsets, false, dh);
    Tensor result = used(dh, offsets);
    activation.backward(f, used(h, offsets), result, result);
  }

  @Override
  public void backwardWeight(
      Tensor dy, Tensor x, SparsePattern loaded, Tensor offsets, Tensor dvalues) {
    dy.require("dy", dy.rows(), out(loaded, offsets));
    x.require("x", dy.rows(), loaded.pattern().columns());
    requireValues(loaded, dvalues);
    Doubles gradient = Doubles.of(dy);
    Doubles input = Doubles.of(x);
    Doubles to = Doubles.of(dvalues);
    visit(
        loaded,
        offsets,
        (b, row, column, at) ->
            to.set(at, to.get(at) + gradient.get(b, row) * input.get(b, column)));
  }

  private static void requireValues(SparsePattern loaded, Tensor values) {
    values.require("values", loaded.pattern().liveRows(), loaded.pattern().fanIn());
  }
}
