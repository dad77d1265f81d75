package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;

/** The oracle's norms: backward is the derivative of forward. */
class NormOracleTest {
  private static final double EPSILON = 1e-5;
  private final ReferenceBackend backend = new ReferenceBackend();
  private final NormOps ops = backend.norm();
  private final Oracle oracle = new Oracle(backend, 12);
  private final Tensor x = oracle.normal(3, 7);
  private final Tensor weight = oracle.normal(7);
  private final Tensor y = backend.allocate(3, 7);
  private final Tensor rstd = backend.allocate(3);
  private final Tensor dy = oracle.normal(3, 7);
  private final Tensor dx = oracle.poisoned(3, 7);
  private final Tensor dweight = backend.allocate(7);

  @Test
  void layerNormBackwardIsTheDerivativeOfLayerNorm() {
    Tensor bias = oracle.normal(7);
    Tensor mean = backend.allocate(3);
    Tensor dbias = backend.allocate(7);
    FiniteDifferences differences =
        new FiniteDifferences(
            () -> {
              ops.layerNorm(x, weight, bias, EPSILON, y, mean, rstd);
              return FiniteDifferences.dot(y, dy);
            });
    ops.layerNorm(x, weight, bias, EPSILON, y, mean, rstd);
    ops.layerNormBackward(dy, x, weight, mean, rstd, false, dx, dweight, dbias);
    differences
        .gradient("x", x, dx)
        .gradient("weight", weight, dweight)
        .gradient("bias", bias, dbias)
        .check();
  }

  @Test
  void rmsNormBackwardIsTheDerivativeOfRmsNorm() {
    ops.rmsNorm(x, weight, EPSILON, y, rstd);
    ops.rmsNormBackward(dy, x, weight, rstd, false, dx, dweight);
    new FiniteDifferences(
            () -> {
              ops.rmsNorm(x, weight, EPSILON, y, rstd);
              return FiniteDifferences.dot(y, dy);
            })
        .gradient("x", x, dx)
        .gradient("weight", weight, dweight)
        .check();
  }
}
