package dev.sparrow.backend;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The oracle's convolutions, pooling and batch normalisation: backward is forward's derivative. */
class ConvOracleTest {
  private final ReferenceBackend backend = new ReferenceBackend();
  private final Oracle oracle = new Oracle(backend, 23);

  @ParameterizedTest
  @CsvSource({"3, 1, 1", "3, 2, 1", "1, 2, 0", "2, 2, 0"})
  void backwardIsTheDerivativeOfConvolution(int kernel, int stride, int padding) {
    ConvShape s = new ConvShape(2, 5, 4, 3, kernel, stride, padding);
    Tensor x = oracle.normal(s.rows(), 3);
    Tensor w = oracle.normal(2, s.patch());
    Tensor y = oracle.poisoned(s.outRows(), 2);
    Tensor dy = oracle.normal(s.outRows(), 2);
    Tensor dx = oracle.poisoned(s.rows(), 3);
    Tensor dw = backend.allocate(2, s.patch());
    ConvOps ops = backend.conv();
    ops.backwardInput(s, dy, w, false, dx);
    ops.backwardWeight(s, dy, x, dw);
    new FiniteDifferences(
            () -> {
              ops.forward(s, x, w, y);
              return FiniteDifferences.dot(y, dy);
            })
        .gradient("x", x, dx)
        .gradient("w", w, dw)
        .check();
  }

  /** Products of patches are the convolution, and so are their gradients. */
  @Test
  void patchesMakeTheSameConvolution() {
    ConvShape s = new ConvShape(2, 5, 4, 3, 3, 2, 1);
    Tensor x = oracle.normal(s.rows(), 3);
    Tensor w = oracle.normal(2, s.patch());
    Tensor y = oracle.poisoned(s.outRows(), 2);
    Tensor patches = oracle.poisoned(s.outRows(), s.patch());
    Tensor ofPatches = oracle.poisoned(s.outRows(), 2);
    backend.conv().forward(s, x, w, y);
    backend.conv().patches(s, x, patches);
    backend.matmul().forward(patches, w, null, null, ofPatches);
    TensorAssert same = new TensorAssert("patches", 1e-12, 1e-12);
    same.check("y", backend.download(y), backend.download(ofPatches));
    Tensor dx = oracle.poisoned(s.rows(), 3);
    Tensor dxOfPatches = oracle.poisoned(s.rows(), 3);
    backend.conv().backwardInput(s, y, w, false, dx);
    backend.matmul().backwardInput(y, w, false, patches);
    backend.conv().patchesBackward(s, patches, false, dxOfPatches);
    same.check("dx", backend.download(dx), backend.download(dxOfPatches));
  }

  @Test
  void backwardIsTheDerivativeOfMaximumPooling() {
    ConvShape s = new ConvShape(2, 6, 5, 3, 3, 2, 1);
    Tensor x = oracle.normal(s.rows(), 3);
    Tensor y = oracle.poisoned(s.outRows(), 3);
    Tensor dy = oracle.normal(s.outRows(), 3);
    Tensor dx = oracle.poisoned(s.rows(), 3);
    Tensor taps = backend.allocate(DType.I32, Shape.of(s.outRows(), 3));
    backend.conv().maxPool(s, x, y, taps);
    backend.conv().maxPoolBackward(s, dy, taps, dx);
    new FiniteDifferences(
            () -> {
              backend.conv().maxPool(s, x, y, taps);
              return FiniteDifferences.dot(y, dy);
            })
        .gradient("x", x, dx)
        .check();
  }

  @Test
  void backwardIsTheDerivativeOfBatchNormalisation() {
    Tensor x = oracle.normal(6, 3);
    Tensor residual = oracle.normal(6, 3);
    Tensor weight = oracle.normal(3);
    Tensor bias = oracle.normal(3);
    Tensor mean = backend.allocate(3);
    Tensor rstd = backend.allocate(3);
    Tensor runningMean = backend.allocate(3);
    Tensor runningVariance = backend.allocate(3);
    Tensor y = oracle.poisoned(6, 3);
    Tensor dz = oracle.normal(6, 3);
    Tensor r = backend.allocate(6, 3);
    backend.elementwise().copy(dz, r);
    BatchNormOps ops = backend.batchNorm();
    Runnable forward =
        () -> {
          ops.statistics(x, 1e-5, 0.1, mean, rstd, runningMean, runningVariance);
          ops.apply(x, mean, rstd, weight, bias, residual, true, y);
        };
    Tensor dx = oracle.poisoned(6, 3);
    Tensor dweight = backend.allocate(3);
    Tensor dbias = backend.allocate(3);
    forward.run();
    ops.backward(dz, y, x, mean, rstd, weight, dx, dweight, dbias);
    new FiniteDifferences(
            () -> {
              forward.run();
              return FiniteDifferences.dot(y, r);
            })
        .gradient("x", x, dx)
        .gradient("weight", weight, dweight)
        .gradient("bias", bias, dbias)
        .gradient("residual", residual, dz)
        .check();
  }
}
