package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/** LayerNorm and RMSNorm in double. */
final class ReferenceNormOps implements NormOps {
  @Override
  public void layerNorm(
      Tensor x, Tensor weight, Tensor bias, double epsilon, Tensor y, Tensor mean, Tensor rstd) {
    int columns = x.columns();
    requireShapes(x, weight, "y", y, rstd);
    mean.require("mean", x.rows());
    if (bias != null) {
      bias.require("bias", columns);
    }
    Doubles input = Doubles.of(x);
    Doubles w = Doubles.of(weight);
    Doubles output = Doubles.of(y);
    for (int r = 0; r < x.rows(); r++) {
      double mu = 0;
      for (int c = 0; c < columns; c++) {
        mu += input.get(r, c) / columns;
      }
      double variance = 0;
      for (int c = 0; c < columns; c++) {
        variance += (input.get(r, c) - mu) * (input.get(r, c) - mu) / columns;
      }
      double scale = 1 / StrictMath.sqrt(variance + epsilon);
      for (int c = 0; c < columns; c++) {
        double shift = bias == null ? 0 : Doubles.of(bias).get(c);
        output.set(r, c, (input.get(r, c) - mu) * scale * w.get(c) + shift);
      }
      Doubles.of(mean).set(r, mu);
      Doubles.of(rstd).set(r, scale);
    }
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
    int columns = x.columns();
    requireShapes(x, weight, "dy", dy, rstd);
    Checks.size("dx", x.size(), dx);
    mean.require("mean", x.rows());
    dweight.require("dweight", columns);
    if (dbias != null) {
      dbias.require("dbias", columns);
    }
    Doubles gradient = Doubles.of(dy);
    Doubles input = Doubles.of(x);
    for (int r = 0; r < x.rows(); r++) {
      double mu = Doubles.of(mean).get(r);
      double scale = Doubles.of(rstd).get(r);
      double[] n = new double[columns];
      double[] g = new double[columns];
      for (int c = 0; c < columns; c++) {
        n[c] = (input.get(r, c) - mu) * scale;
        g[c] = gradient.get(r, c) * Doubles.of(weight).get(c);
        Doubles.of(dweight).add(c, gradient.get(r, c) * n[c]);
        if (dbias != null) {
          Doubles.of(dbias).add(c, gradient.get(r, c));
        }
      }
      double meanG = mean(g);
      double meanGn = meanOfProduct(g, n);
      for (int c = 0; c < columns; c++) {
        Doubles.of(dx).put(r, c, scale * (g[c] - meanG - n[c] * meanGn), accumulate);
      }
    }
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, double epsilon, Tensor y, Tensor rstd) {
    int columns = x.columns();
    requireShapes(x, weight, "y", y, rstd);
    Doubles input = Doubles.of(x);
    for (int r = 0; r < x.rows(); r++) {
      double square = 0;
      for (int c = 0; c < columns; c++) {
        square += input.get(r, c) * input.get(r, c) / columns;
      }
      double scale = 1 / StrictMath.sqrt(square + epsilon);
      for (int c = 0; c < columns; c++) {
        Doubles.of(y).set(r, c, input.get(r, c) * scale * Doubles.of(weight).get(c));
      }
      Doubles.of(rstd).set(r, scale);
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
    int columns = x.columns();
    requireShapes(x, weight, "dy", dy, rstd);
    Checks.size("dx", x.size(), dx);
    dweight.require("dweight", columns);
    Doubles gradient = Doubles.of(dy);
    for (int r = 0; r < x.rows(); r++) {
      double scale = Doubles.of(rstd).get(r);
      double[] n = new double[columns];
      double[] g = new double[columns];
      for (int c = 0; c < columns; c++) {
        n[c] = Doubles.of(x).get(r, c) * scale;
        g[c] = gradient.get(r, c) * Doubles.of(weight).get(c);
        Doubles.of(dweight).add(c, gradient.get(r, c) * n[c]);
      }
      double meanGn = meanOfProduct(g, n);
      for (int c = 0; c < columns; c++) {
        Doubles.of(dx).put(r, c, scale * (g[c] - n[c] * meanGn), accumulate);
      }
    }
  }

  private static void requireShapes(Tensor x, Tensor weight, String name, Tensor y, Tensor rstd) {
    weight.require("weight", x.columns());
    y.require(name, x.shape().toArray());
    rstd.require("rstd", x.rows());
  }

  private static double mean(double[] values) {
    double sum = 0;
    for (double value : values) {
      sum += value;
    }
    return sum / values.length;
  }

  private static double meanOfProduct(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum / a.length;
  }
}
