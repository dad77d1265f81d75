package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/** Dense and grouped products as triple loops in double. */
final class ReferenceMatmulOps implements MatmulOps {
  private final ActivationOps activation = new ReferenceActivationOps();

  @Override
  public void forward(Tensor x, Tensor w, Tensor bias, Tensor residual, Tensor y) {
    int rows = x.rows();
    int out = w.dim(0);
    w.require("w", out, x.columns());
    Checks.size("y", (long) rows * out, y);
    if (bias != null) {
      bias.require("bias", out);
    }
    if (residual != null) {
      residual.require("residual", rows, out);
      copy(residual, y);
    }
    product(x, w, residual != null, y);
    if (bias != null) {
      addBias(bias, y);
    }
  }

  private static void copy(Tensor from, Tensor to) {
    for (int i = 0; i < from.size(); i++) {
      Doubles.of(to).set(i, Doubles.of(from).get(i));
    }
  }

  @Override
  public void activatedForward(Activation f, Tensor x, Tensor w, Tensor bias, Tensor h, Tensor y) {
    h.require("h", x.rows(), w.rows());
    forward(x, w, bias, null, h);
    activation.forward(f, h, y);
  }

  /** y_ro = Σ_i x_ri·w_oi */
  private static void product(Tensor x, Tensor w, boolean accumulate, Tensor y) {
    Doubles input = Doubles.of(x);
    Doubles weight = Doubles.of(w);
    Doubles output = Doubles.of(y.reshape(x.rows(), w.dim(0)));
    for (int r = 0; r < x.rows(); r++) {
      for (int o = 0; o < w.dim(0); o++) {
        double sum = 0;
        for (int i = 0; i < x.columns(); i++) {
          sum += input.get(r, i) * weight.get(o, i);
        }
        output.put(r, o, sum, accumulate);
      }
    }
  }

  private static void addBias(Tensor bias, Tensor y) {
    Doubles b = Doubles.of(bias);
    Doubles output = Doubles.of(y);
    for (int r = 0; r < y.rows(); r++) {
      for (int o = 0; o < y.columns(); o++) {
        output.add(r, o, b.get(o));
      }
    }
  }

  @Override
  public void backwardInput(Tensor dy, Tensor w, boolean accumulate, Tensor dx) {
    w.require("w", dy.columns(), w.columns());
    Checks.size("dx", (long) dy.rows() * w.columns(), dx);
    Doubles gradient = Doubles.of(dy);
    Doubles weight = Doubles.of(w);
    Doubles input = Doubles.of(dx.reshape(dy.rows(), w.columns()));
    // dx_ri = Σ_o dy_ro·w_oi
    for (int r = 0; r < dy.rows(); r++) {
      for (int i = 0; i < w.columns(); i++) {
        double sum = 0;
        for (int o = 0; o < dy.columns(); o++) {
          sum += gradient.get(r, o) * weight.get(o, i);
        }
        input.put(r, i, sum, accumulate);
      }
    }
  }

  @Override
  public void activatedBackwardInput(Activation f, Tensor dy, Tensor w, Tensor h, Tensor dh) {
    h.require("h", dy.rows(), w.columns());
    backwardInput(dy, w, false, dh);
    activation.backward(f, h, dh, dh);
  }

  @Override
  public void backwardWeight(Tensor dy, Tensor x, Tensor dw, Tensor dbias) {
    if (dy.rows() != x.rows()) {
      throw new IllegalArgumentException(
          "dy: expected " + x.rows() + " rows as in x, got " + dy.shape());
    }
    dw.require("dw", dy.columns(), x.columns());
    Doubles gradient = Doubles.of(dy);
    Doubles input = Doubles.of(x);
    Doubles weight = Doubles.of(dw);
    // dw_oi += Σ_r dy_ro·x_ri
    for (int o = 0; o < dy.columns(); o++) {
      for (int i = 0; i < x.columns(); i++) {
        double sum = 0;
        for (int r = 0; r < x.rows(); r++) {
          sum += gradient.get(r, o) * input.get(r, i);
        }
        weight.add(o, i, sum);
      }
    }
    if (dbias != null) {
      backwardBias(dy, dbias.require("dbias", dy.columns()));
    }
  }

  /** dbias_o += Σ_r dy_ro */
  private static void backwardBias(Tensor dy, Tensor dbias) {
    Doubles gradient = Doubles.of(dy);
    Doubles bias = Doubles.of(dbias);
    for (int o = 0; o < dy.columns(); o++) {
      double sum = 0;
      for (int r = 0; r < dy.rows(); r++) {
        sum += gradient.get(r, o);
      }
      bias.add(o, sum);
    }
  }

  @Override
  public void groupedForward(Tensor x, Tensor w, Tensor offsets, Tensor y) {
    offsets.require("offsets", w.dim(0) + 1);
    w.require("w", w.dim(0), w.dim(1), x.columns());
    y.require("y", x.rows(), w.dim(1));
    for (int e = 0; e < w.dim(0); e++) {
      forward(rows(x, offsets, e), expert(w, e), null, null, rows(y, offsets, e));
    }
  }

  @Override
  public void groupedActivatedForward(
      Activation f, Tensor x, Tensor w, Tensor offsets, Tensor h, Tensor y) {
    groupedForward(x, w, offsets, h);
    y.require("y", x.rows(), w.dim(1));
    for (int e = 0; e < w.dim(0); e++) {
      activation.forward(f, rows(h, offsets, e), rows(y, offsets, e));
    }
  }

  @Override
  public void groupedBackwardInput(
      Tensor dy, Tensor w, Tensor offsets, boolean accumulate, Tensor dx) {
    offsets.require("offsets", w.dim(0) + 1);
    w.require("w", w.dim(0), dy.columns(), w.dim(2));
    dx.require("dx", dy.rows(), w.dim(2));
    for (int e = 0; e < w.dim(0); e++) {
      backwardInput(rows(dy, offsets, e), expert(w, e), accumulate, rows(dx, offsets, e));
    }
  }

  @Override
  public void groupedActivatedBackwardInput(
      Activation f, Tensor dy, Tensor w, Tensor offsets, Tensor h, Tensor dh) {
    groupedBackwardInput(dy, w, offsets, false, dh);
    h.require("h", dy.rows(), w.dim(2));
    for (int e = 0; e < w.dim(0); e++) {
      Tensor gradient = rows(dh, offsets, e);
      activation.backward(f, rows(h, offsets, e), gradient, gradient);
    }
  }

  @Override
  public void groupedBackwardWeight(Tensor dy, Tensor x, Tensor offsets, Tensor dw) {
    offsets.require("offsets", dw.dim(0) + 1);
    dw.require("dw", dw.dim(0), dy.columns(), x.columns());
    x.require("x", dy.rows(), x.columns());
    for (int e = 0; e < dw.dim(0); e++) {
      backwardWeight(rows(dy, offsets, e), rows(x, offsets, e), expert(dw, e), null);
    }
  }

  private static Tensor rows(Tensor tensor, Tensor offsets, int expert) {
    Ints starts = Ints.of(offsets);
    return tensor.slice(starts.get(expert), starts.get(expert + 1) - starts.get(expert));
  }

  private static Tensor expert(Tensor w, int expert) {
    return w.slice(expert, 1).reshape(w.dim(1), w.dim(2));
  }
}
