package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/** Batch normalisation in double, channel by channel. */
final class ReferenceBatchNormOps implements BatchNormOps {
  @Override
  public void statistics(
      Tensor x,
      double epsilon,
      double momentum,
      Tensor mean,
      Tensor rstd,
      Tensor runningMean,
      Tensor runningVariance) {
    int rows = x.rows();
    requireChannels(x, mean, rstd, runningMean, runningVariance);
    for (int c = 0; c < x.columns(); c++) {
      double sum = 0;
      for (int r = 0; r < rows; r++) {
        sum += Doubles.of(x).get(r, c);
      }
      double mu = sum / rows;
      double squares = 0;
      for (int r = 0; r < rows; r++) {
        squares += StrictMath.pow(Doubles.of(x).get(r, c) - mu, 2);
      }
      Doubles.of(mean).set(c, mu);
      Doubles.of(rstd).set(c, 1 / StrictMath.sqrt(squares / rows + epsilon));
      follow(runningMean, c, momentum, mu);
      follow(runningVariance, c, momentum, squares / StrictMath.max(1, rows - 1));
    }
  }

  private static void follow(Tensor running, int c, double momentum, double value) {
    Doubles values = Doubles.of(running);
    values.set(c, (1 - momentum) * values.get(c) + momentum * value);
  }

  @Override
  public void inverseDeviation(Tensor variance, double epsilon, Tensor rstd) {
    rstd.require("rstd", variance.columns());
    for (int c = 0; c < variance.size(); c++) {
      Doubles.of(rstd).set(c, 1 / StrictMath.sqrt(Doubles.of(variance).get(c) + epsilon));
    }
  }

  @Override
  public void apply(
      Tensor x,
      Tensor mean,
      Tensor rstd,
      Tensor weight,
      Tensor bias,
      Tensor residual,
      boolean rectified,
      Tensor y) {
    requireChannels(x, mean, rstd, weight, bias);
    y.require("y", x.rows(), x.columns());
    for (int r = 0; r < x.rows(); r++) {
      for (int c = 0; c < x.columns(); c++) {
        double z = normalised(x, mean, rstd, r, c) * Doubles.of(weight).get(c);
        z += Doubles.of(bias).get(c) + (residual == null ? 0 : Doubles.of(residual).get(r, c));
        Doubles.of(y).set(r, c, rectified ? StrictMath.max(0, z) : z);
      }
    }
  }

  @Override
  public void backward(
      Tensor dy,
      Tensor y,
      Tensor x,
      Tensor mean,
      Tensor rstd,
      Tensor weight,
      Tensor dx,
      Tensor dweight,
      Tensor dbias) {
    int rows = x.rows();
    requireChannels(x, mean, rstd, weight, dweight, dbias);
    dy.require("dy", rows, x.columns());
    dx.require("dx", rows, x.columns());
    for (int c = 0; c < x.columns(); c++) {
      double sum = 0;
      double product = 0;
      for (int r = 0; r < rows; r++) {
        if (y != null && Doubles.of(y).get(r, c) <= 0) {
          Doubles.of(dy).set(r, c, 0);
        }
        sum += Doubles.of(dy).get(r, c);
        product += Doubles.of(dy).get(r, c) * normalised(x, mean, rstd, r, c);
      }
      Doubles.of(dweight).add(c, product);
      Doubles.of(dbias).add(c, sum);
      double slope = Doubles.of(weight).get(c) * Doubles.of(rstd).get(c);
      for (int r = 0; r < rows; r++) {
        double n = normalised(x, mean, rstd, r, c);
        double g = Doubles.of(dy).get(r, c) - sum / rows - n * product / rows;
        Doubles.of(dx).set(r, c, slope * g);
      }
    }
  }

  private static double normalised(Tensor x, Tensor mean, Tensor rstd, int r, int c) {
    return (Doubles.of(x).get(r, c) - Doubles.of(mean).get(c)) * Doubles.of(rstd).get(c);
  }

  private static void requireChannels(Tensor x, Tensor... vectors) {
    for (Tensor vector : vectors) {
      vector.require("channels", x.columns());
    }
  }
}
