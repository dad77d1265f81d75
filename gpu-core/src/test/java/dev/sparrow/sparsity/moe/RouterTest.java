package dev.sparrow.sparsity.moe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Draws;
import dev.sparrow.backend.RandomKey;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.backend.TensorAssert;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.nn.Initializer;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;

class RouterTest {
  private static void refused(int experts, int topK, String part) {
    String message =
        assertThrows(IllegalArgumentException.class, () -> MoeCase.spec(4, experts, topK))
            .getMessage();
    assertTrue(message.contains(part), message);
  }

  @Test
  void topKOutsideOneToEightOrAboveTheExpertsIsRefused() {
    refused(16, 0, "expected top-k 1 to 8 (8, experts), got 0");
    refused(16, 9, "expected top-k 1 to 8 (8, experts), got 9");
    refused(3, 4, "expected top-k 1 to 3 (8, experts), got 4");
    refused(0, 1, "expected experts >= 1, got 0");
  }

  /** Weights of a router over x (tokens, 5) whose first row is token {@code firstToken}. */
  private static double[] weights(
      double jitter, boolean training, long firstToken, int from, int to) {
    RouterSpec spec = new RouterSpec("block", 5, 3, 1, 0, jitter, 0, 0, 0, 0, 1);
    try (ReferenceBackend backend = new ReferenceBackend();
        Workspace workspace = new Workspace(backend)) {
      Router router = new Router(backend, spec);
      Parameter[] weight = new Parameter[1];
      router.parameters(parameter -> weight[0] = parameter);
      try (ParameterArena arena = new ParameterArena(backend, List.of(weight[0]))) {
        MoeCase values = MoeCase.random(spec, 8, 4, false, 51);
        backend.upload(values.router(), 0, weight[0].value());
        router.reserve(workspace, 8);
        Tensor x = backend.allocate(8, 5);
        backend.upload(values.x(), 0, x);
        Tensor part = x.slice(from, to - from);
        router.forward(part, new Pass(training, 7, firstToken + from, 1, to - from, 1));
        assertEquals(Initializer.normal(0), weight[0].initializer());
        return backend.download(router.weights());
      }
    }
  }

  @Test
  void jitterFollowsTheTokensNumberNotTheMicroBatch() {
    double[] whole = weights(0.3, true, 100, 0, 8);
    double[] second = weights(0.3, true, 100, 3, 8);
    for (int t = 3; t < 8; t++) {
      assertEquals(whole[t], second[t - 3], "token " + t);
    }
  }

  @Test
  void jitterIsForTrainingAlone() {
    TensorAssert same = new TensorAssert("seed 51", 0, 0);
    double[] plain = weights(0, true, 100, 0, 8);
    same.check("inference", plain, weights(0.3, false, 100, 0, 8));
    assertThrows(
        AssertionError.class, () -> same.check("training", plain, weights(0.3, true, 100, 0, 8)));
  }

  /** Three roundings of values near 1: 4·2^-24. */
  @Test
  void theCpuDrawsTheSameJitterAsTheOracle() {
    int n = 70_001; // more than two chunks of the parallel loop, and odd
    RandomKey key = new RandomKey(3, 4);
    try (CpuBackend cpu = new CpuBackend(2);
        ReferenceBackend reference = new ReferenceBackend()) {
      Tensor expected = reference.allocate(n);
      reference.elementwise().fill(expected, 1);
      reference.routing().jitter(expected, 0.3, Draws.from(key, 5), false, expected);
      Tensor actual = cpu.allocate(n);
      cpu.elementwise().fill(actual, 1);
      cpu.routing().jitter(actual, 0.3, Draws.from(key, 5), false, actual);
      float[] host = new float[n];
      cpu.downloadSync(actual, host, 0);
      new TensorAssert("jitter", 0x1p-22, 0)
          .check("out", reference.download(expected), PerTokenMoe.wide(host));
    }
  }
}
