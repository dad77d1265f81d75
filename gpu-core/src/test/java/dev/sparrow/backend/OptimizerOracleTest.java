package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;

/** The oracle's optimizer steps against values worked out by hand. */
class OptimizerOracleTest {
  private final ReferenceBackend backend = new ReferenceBackend();
  private final OptimizerOps ops = backend.optimizer();

  /** At step 1 the corrected moments are g and g², so that the step is lr·sign(g) and the decay. */
  @Test
  void firstAdamWStepIsTheSignOfTheGradient() {
    Tensor w = backend.tensor(new double[] {2, -1}, 2);
    Tensor g = backend.tensor(new double[] {4, -8}, 2);
    Tensor m = backend.allocate(2);
    Tensor v = backend.allocate(2);
    ops.adamW(new OptimizerOps.AdamW(0.1, 0.9, 0.99, 0, 0.5, 1), 0.25, weights(g, w), m, v);
    assertArrayEquals(new double[] {2 - 0.1 - 0.1, -1 + 0.05 + 0.1}, backend.download(w), 1e-14);
    assertArrayEquals(new double[] {0.1, -0.2}, backend.download(m), 1e-14);
    assertArrayEquals(new double[] {0.01, 0.04}, backend.download(v), 1e-14);
    assertArrayEquals(new double[] {4, -8}, backend.download(g));
  }

  private static OptimizerOps.Weights weights(Tensor g, Tensor w) {
    return new OptimizerOps.Weights(g, w, null, UpdateSegments.whole(w.size(), true));
  }

  @Test
  void sgdFollowsTheMomentum() {
    Tensor w = backend.tensor(new double[] {1}, 1);
    Tensor g = backend.tensor(new double[] {3}, 1);
    Tensor v = backend.tensor(new double[] {10}, 1);
    // g = 0.5·3 + 0.1·1 = 1.6, v = 0.9·10 + 1.6 = 10.6
    ops.sgd(new OptimizerOps.Sgd(0.01, 0.9, 0.1, false), 0.5, weights(g, w), v);
    assertArrayEquals(new double[] {1 - 0.106}, backend.download(w), 1e-14);
    assertArrayEquals(new double[] {10.6}, backend.download(v), 1e-14);
  }

  @Test
  void nesterovLooksAhead() {
    Tensor w = backend.tensor(new double[] {1}, 1);
    Tensor g = backend.tensor(new double[] {3}, 1);
    Tensor v = backend.tensor(new double[] {10}, 1);
    // w -= lr·(g + momentum·v) = 0.01·(1.6 + 0.9·10.6)
    ops.sgd(new OptimizerOps.Sgd(0.01, 0.9, 0.1, true), 0.5, weights(g, w), v);
    assertArrayEquals(new double[] {1 - 0.1114}, backend.download(w), 1e-14);
  }
}
