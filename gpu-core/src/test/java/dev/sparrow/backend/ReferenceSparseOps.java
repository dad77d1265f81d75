package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/** Uniformly sparse products as loops over the non-zeros in double. */
final class ReferenceSparseOps implements SparseOps {
  private final ActivationOps activation = new ReferenceActivationOps();

  private record Loaded(UniformPattern pattern) implements SparsePattern {
    @Override
    public void close() {}
  }

  private interface NonZero {
    /**
     * @param at number of the value
     */
    void visit(int row, int column, int at);
  }

  private static void visit(SparsePattern loaded, NonZero body) {
    UniformPattern pattern = loaded.pattern();
    for (int live = 0; live < pattern.liveRows(); live++) {
      for (int i = 0; i < pattern.fanIn(); i++) {
        int column = pattern.indices()[pattern.start(live) + i];
        body.visit(pattern.row(live), column, live * pattern.fanIn() + i);
      }
    }
  }

  @Override
  public SparsePattern load(UniformPattern pattern) {
    return new Loaded(pattern);
  }

  @Override
  public void forward(
      Tensor x, Tensor values, SparsePattern loaded, Tensor bias, Tensor residual, Tensor y) {
    x.require("x", x.rows(), loaded.pattern().columns());
    y.require("y", x.rows(), loaded.pattern().rows());
    requireValues(loaded, values);
    Doubles input = Doubles.of(x);
    Doubles v = Doubles.of(values);
    Doubles output = Doubles.of(y);
    for (int r = 0; r < y.rows(); r++) {
      for (int o = 0; o < y.columns(); o++) {
        double start = residual == null ? 0 : Doubles.of(residual).get(r, o);
        output.set(r, o, start + (bias == null ? 0 : Doubles.of(bias).get(o)));
      }
    }
    for (int r = 0; r < x.rows(); r++) {
      int b = r;
      visit(loaded, (row, column, at) -> output.add(b, row, v.get(at) * input.get(b, column)));
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
    forward(x, values, loaded, bias, null, h);
    activation.forward(f, h, y);
  }

  @Override
  public void activatedBackwardInput(
      Activation f, Tensor dy, Tensor values, SparsePattern loaded, Tensor h, Tensor dh) {
    backwardInput(dy, values, loaded, false, dh);
    activation.backward(f, h, dh, dh);
  }

  @Override
  public void backwardInput(
      Tensor dy, Tensor values, SparsePattern loaded, boolean accumulate, Tensor dx) {
    dy.require("dy", dy.rows(), loaded.pattern().rows());
    dx.require("dx", dy.rows(), loaded.pattern().columns());
    requireValues(loaded, values);
    Doubles gradient = Doubles.of(dy);
    Doubles v = Doubles.of(values);
    Doubles input = Doubles.of(dx);
    for (int r = 0; r < dx.rows(); r++) {
      for (int c = 0; c < dx.columns(); c++) {
        input.put(r, c, 0, accumulate);
      }
      int b = r;
      visit(loaded, (row, column, at) -> input.add(b, column, v.get(at) * gradient.get(b, row)));
    }
  }

  @Override
  public void backwardWeight(
      Tensor dy, Tensor x, SparsePattern loaded, Tensor dvalues, Tensor dbias) {
    requireValues(loaded, dvalues);
    Doubles gradient = Doubles.of(dy);
    Doubles input = Doubles.of(x);
    Doubles to = Doubles.of(dvalues);
    for (int r = 0; r < dy.rows(); r++) {
      int b = r;
      visit(
          loaded,
          (row, column, at) ->
              to.set(at, to.get(at) + gradient.get(b, row) * input.get(b, column)));
      for (int o = 0; dbias != null && o < dy.columns(); o++) {
        Doubles sums = Doubles.of(dbias);
        sums.set(o, sums.get(o) + gradient.get(r, o));
      }
    }
  }

  @Override
  public void expand(Tensor values, SparsePattern loaded, Tensor w) {
    w.require("w", loaded.pattern().rows(), loaded.pattern().columns());
    Doubles v = Doubles.of(values);
    Doubles to = Doubles.of(w);
    for (int i = 0; i < w.size(); i++) {
      to.set(i, 0);
    }
    int columns = loaded.pattern().columns();
    visit(loaded, (row, column, at) -> to.set(row * columns + column, v.get(at)));
  }

  @Override
  public void sample(Tensor w, SparsePattern loaded, Tensor values) {
    requireValues(loaded, values);
    Doubles from = Doubles.of(w);
    Doubles to = Doubles.of(values);
    visit(loaded, (row, column, at) -> to.set(at, to.get(at) + from.get(row, column)));
  }

  @Override
  public void mask(Tensor bits, Tensor w) {
    bits.require("bits", SparseOps.maskWords(Math.toIntExact(w.size())));
    Doubles to = Doubles.of(w);
    for (int i = 0; i < w.size(); i++) {
      if ((Ints.of(bits).get(i / 32) & 1 << i % 32) == 0) {
        to.set(i, 0);
      }
    }
  }

  private static void requireValues(SparsePattern loaded, Tensor values) {
    values.require("values", loaded.pattern().liveRows(), loaded.pattern().fanIn());
  }
}
