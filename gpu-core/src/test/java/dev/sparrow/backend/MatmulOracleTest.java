package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The oracle's products: backward is the derivative of forward. */
class MatmulOracleTest {
  private final ReferenceBackend backend = new ReferenceBackend();
  private final MatmulOps ops = backend.matmul();
  private final Oracle oracle = new Oracle(backend, 11);

  @Test
  void backwardIsTheDerivativeOfForward() {
    Tensor x = oracle.normal(5, 4);
    Tensor w = oracle.normal(3, 4);
    Tensor bias = oracle.normal(3);
    Tensor y = backend.allocate(5, 3);
    Tensor dy = oracle.normal(5, 3);
    Tensor dx = oracle.poisoned(5, 4);
    Tensor dw = backend.allocate(3, 4);
    Tensor dbias = backend.allocate(3);
    ops.backwardInput(dy, w, false, dx);
    ops.backwardWeight(dy, x, dw, dbias);
    new FiniteDifferences(
            () -> {
              ops.forward(x, w, bias, null, y);
              return FiniteDifferences.dot(y, dy);
            })
        .gradient("x", x, dx)
        .gradient("w", w, dw)
        .gradient("bias", bias, dbias)
        .check();
  }

  /** y = f(h), z = y·w2ᵀ: dh is the derivative of z by h. */
  @ParameterizedTest
  @EnumSource
  void activatedBackwardIsTheDerivativeOfActivatedForward(Activation f) {
    Tensor x = oracle.normal(5, 4);
    Tensor w = oracle.normal(3, 4);
    Tensor bias = oracle.normal(3);
    Tensor next = oracle.normal(2, 3);
    Tensor h = backend.allocate(5, 3);
    Tensor y = backend.allocate(5, 3);
    Tensor z = backend.allocate(5, 2);
    Tensor dz = oracle.normal(5, 2);
    Tensor dh = oracle.poisoned(5, 3);
    Tensor dbias = backend.allocate(3);
    Tensor dw = backend.allocate(3, 4);
    ops.activatedForward(f, x, w, bias, h, y);
    ops.activatedBackwardInput(f, dz, next, h, dh);
    ops.backwardWeight(dh, x, dw, dbias);
    new FiniteDifferences(
            () -> {
              ops.activatedForward(f, x, w, bias, h, y);
              ops.forward(y, next, null, null, z);
              return FiniteDifferences.dot(z, dz);
            })
        .gradient("w", w, dw)
        .gradient("bias", bias, dbias)
        .check();
  }

  @Test
  void groupedBackwardIsTheDerivativeOfGroupedForward() {
    Tensor offsets = backend.tensor(new int[] {0, 3, 3, 4}, 4);
    Tensor x = oracle.normal(4, 5);
    Tensor w = oracle.normal(3, 2, 5);
    Tensor y = backend.allocate(4, 2);
    Tensor dy = oracle.normal(4, 2);
    Tensor dx = oracle.poisoned(4, 5);
    Tensor dw = backend.allocate(3, 2, 5);
    ops.groupedBackwardInput(dy, w, offsets, false, dx);
    ops.groupedBackwardWeight(dy, x, offsets, dw);
    new FiniteDifferences(
            () -> {
              ops.groupedForward(x, w, offsets, y);
              return FiniteDifferences.dot(y, dy);
            })
        .gradient("x", x, dx)
        .gradient("w", w, dw)
        .check();
  }
}
