package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The oracle's nonlinearities: known values, and backward is the derivative of forward. */
class ActivationOracleTest {
  private final ReferenceBackend backend = new ReferenceBackend();
  private final ActivationOps ops = backend.activation();
  private final Oracle oracle = new Oracle(backend, 13);

  @ParameterizedTest
  @EnumSource
  void backwardIsTheDerivativeOfForward(Activation f) {
    Tensor x = oracle.normal(40);
    Tensor y = backend.allocate(40);
    Tensor dy = oracle.normal(40);
    Tensor dx = oracle.poisoned(40);
    ops.backward(f, x, dy, dx);
    new FiniteDifferences(
            () -> {
              ops.forward(f, x, y);
              return FiniteDifferences.dot(y, dy);
            })
        .gradient("x", x, dx)
        .check();
  }

  @ParameterizedTest
  @EnumSource
  void gatedBackwardIsTheDerivativeOfGated(Activation f) {
    Tensor gate = oracle.normal(30);
    Tensor up = oracle.normal(30);
    Tensor y = backend.allocate(30);
    Tensor dy = oracle.normal(30);
    Tensor dgate = oracle.poisoned(30);
    Tensor dup = oracle.poisoned(30);
    ops.gatedBackward(f, gate, up, dy, dgate, dup);
    new FiniteDifferences(
            () -> {
              ops.gated(f, gate, up, y);
              return FiniteDifferences.dot(y, dy);
            })
        .gradient("gate", gate, dgate)
        .gradient("up", up, dup)
        .check();
  }

  /** Known values; some twenty terms of the series may each round once: 1e-15. */
  @Test
  void errorFunctionEqualsTabulatedValues() {
    assertEquals(0.5204998778130465, ErrorFunction.erf(0.5), 1e-15);
    assertEquals(0.8427007929497149, ErrorFunction.erf(1), 1e-15);
    assertEquals(-0.9953222650189527, ErrorFunction.erf(-2), 1e-15);
    assertEquals(0.9999779095030014, ErrorFunction.erf(3), 1e-15);
    assertEquals(2.209049699858544e-5, ErrorFunction.erfc(3), 1e-19);
    assertEquals(1.541725790028002e-8, ErrorFunction.erfc(4), 1e-22);
    assertEquals(2, ErrorFunction.erfc(-7), 0);
  }

  /** The two expansions share no step, so that agreement at the switch proves both there. */
  @Test
  void errorFunctionIsContinuousWhereTheExpansionChanges() {
    double below = ErrorFunction.erfc(Math.nextDown(2.5));
    double above = ErrorFunction.erfc(2.5);
    assertEquals(above, below, 1e-15);
  }
}
