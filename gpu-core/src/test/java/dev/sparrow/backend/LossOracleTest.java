package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;

/** The oracle's cross-entropy: its gradient is the derivative of its losses. */
class LossOracleTest {
  private final ReferenceBackend backend = new ReferenceBackend();
  private final LossOps ops = backend.loss();
  private final Oracle oracle = new Oracle(backend, 16);

  @Test
  void gradientIsTheDerivativeOfTheScaledSum() {
    double scale = 0.25;
    Tensor logits = oracle.normal(4, 6);
    Tensor targets = backend.tensor(new int[] {0, LossOps.IGNORE, 5, 2}, 4);
    Tensor losses = oracle.poisoned(4);
    Tensor gradient = backend.allocate(4, 6);
    backend.elementwise().copy(logits, gradient);
    ops.crossEntropyWithGradient(gradient, 6, targets, scale, losses);
    new FiniteDifferences(
            () -> {
              ops.crossEntropy(logits, 6, targets, losses);
              return scale * ops.sumSync(losses);
            })
        .gradient("logits", logits, gradient)
        .check();
  }

  @Test
  void equalLogitsCostTheLogarithmOfTheClasses() {
    Tensor logits = backend.tensor(new double[] {700, 700, 700, 700, 0, 0, 0, 0}, 2, 4);
    Tensor losses = oracle.poisoned(2);
    ops.crossEntropy(logits, 4, backend.tensor(new int[] {3, LossOps.IGNORE}, 2), losses);
    assertArrayEquals(new double[] {Math.log(4), 0}, backend.download(losses), 1e-12);
    assertEquals(Math.log(4), ops.sumSync(losses), 1e-12);
  }
}
