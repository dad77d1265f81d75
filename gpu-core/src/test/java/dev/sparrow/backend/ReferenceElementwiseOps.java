package dev.sparrow.backend;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/** Element-wise ops in double. */
final class ReferenceElementwiseOps implements ElementwiseOps {
  @Override
  public void fill(Tensor out, double value) {
    if (out.dtype() == DType.I32) {
      Ints to = Ints.of(out);
      for (int i = 0; i < out.size(); i++) {
        to.set(i, (int) value);
      }
      return;
    }
    Doubles to = Doubles.of(out);
    for (int i = 0; i < out.size(); i++) {
      to.set(i, value);
    }
  }

  @Override
  public void copy(Tensor x, Tensor out) {
    Checks.size("out", x.size(), out);
    if (x.dtype() == DType.I32) {
      Ints from = Ints.of(x);
      Ints to = Ints.of(out);
      for (int i = 0; i < x.size(); i++) {
        to.set(i, from.get(i));
      }
      return;
    }
    Doubles from = Doubles.of(x);
    Doubles to = Doubles.of(out);
    for (int i = 0; i < x.size(); i++) {
      to.set(i, from.get(i));
    }
  }

  @Override
  public void add(Tensor a, Tensor b, Tensor out) {
    Checks.size("b", a.size(), b);
    Checks.size("out", a.size(), out);
    Doubles left = Doubles.of(a);
    Doubles right = Doubles.of(b);
    Doubles to = Doubles.of(out);
    for (int i = 0; i < out.size(); i++) {
      to.set(i, left.get(i) + right.get(i));
    }
  }

  @Override
  public void axpy(double alpha, Tensor x, Tensor out) {
    Checks.size("out", x.size(), out);
    Doubles from = Doubles.of(x);
    Doubles to = Doubles.of(out);
    for (int i = 0; i < out.size(); i++) {
      to.add(i, alpha * from.get(i));
    }
  }

  @Override
  public void scale(double alpha, Tensor x, Tensor out) {
    Checks.size("out", x.size(), out);
    Doubles from = Doubles.of(x);
    Doubles to = Doubles.of(out);
    for (int i = 0; i < out.size(); i++) {
      to.set(i, alpha * from.get(i));
    }
  }

  @Override
  public void dropout(Tensor x, double p, Draws draws, Tensor out) {
    Checks.size("out", x.size(), out);
    Doubles from = Doubles.of(x);
    Doubles to = Doubles.of(out);
    for (int i = 0; i < out.size(); i++) {
      double factor = mask(p, draws.key(), draws.counter() + i);
      to.set(i, factor == 0 ? 0 : from.get(i) * factor);
    }
  }

  /** Factor of one element: 1 / (1 - p) if it is kept, else 0. */
  static double mask(double p, RandomKey key, long index) {
    return Philox.uniform(key, index) >= p ? 1 / (1 - p) : 0;
  }

  @Override
  public void squaredNorm(Tensor x, Tensor total) {
    Checks.size("squared norm: total", 1, total);
    Doubles.of(total).set(0, squaredNormSync(x));
  }

  @Override
  public double squaredNormSync(Tensor x) {
    Doubles from = Doubles.of(x);
    double sum = 0;
    for (int i = 0; i < x.size(); i++) {
      sum += from.get(i) * from.get(i);
    }
    return sum;
  }
}
