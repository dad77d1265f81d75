package dev.sparrow.backend;

import static dev.sparrow.backend.RoundedStorage.doubles;
import static dev.sparrow.backend.RoundedStorage.round;
import static dev.sparrow.backend.RoundedStorage.twin;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/**
 * The oracle's element-wise ops, rounded once; tensors of a call are of one type, but in copies.
 */
final class RoundingElementwiseOps implements ElementwiseOps {
  private final ElementwiseOps ops;

  RoundingElementwiseOps(ElementwiseOps ops) {
    this.ops = ops;
  }

  @Override
  public void fill(Tensor out, double value) {
    ops.fill(twin(out), value);
    if (out.dtype() != DType.I32) {
      round(out);
    }
  }

  @Override
  public void copy(Tensor x, Tensor out) {
    ops.copy(twin(x), twin(out));
    if (out.dtype() != DType.I32) {
      round(out);
    }
  }

  @Override
  public void add(Tensor a, Tensor b, Tensor out) {
    requireOneType(a, b, out);
    ops.add(twin(a), twin(b), twin(out));
    round(out);
  }

  @Override
  public void axpy(double alpha, Tensor x, Tensor out) {
    requireOneType(x, out);
    ops.axpy(alpha, twin(x), twin(out));
    round(out);
  }

  @Override
  public void scale(double alpha, Tensor x, Tensor out) {
    requireOneType(x, out);
    ops.scale(alpha, twin(x), twin(out));
    round(out);
  }

  @Override
  public void dropout(Tensor x, double p, Draws draws, Tensor out) {
    requireOneType(x, out);
    ops.dropout(twin(x), p, draws, twin(out));
    round(out);
  }

  @Override
  public void squaredNorm(Tensor x, Tensor total) {
    ops.squaredNorm(twin(x), doubles(total));
  }

  @Override
  public double squaredNormSync(Tensor x) {
    return ops.squaredNormSync(twin(x));
  }

  private static void requireOneType(Tensor first, Tensor... others) {
    for (Tensor other : others) {
      if (other.dtype() != first.dtype()) {
        throw new AssertionError("expected tensors of one type, got " + first + " and " + other);
      }
    }
  }
}
