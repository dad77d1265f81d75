package dev.sparrow.sparsity.lowrank;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ConvShape;
import dev.sparrow.backend.FiniteDifferences;
import dev.sparrow.backend.Oracle;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.backend.TensorAssert;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.backend.cuda.TestGpu;
import dev.sparrow.nn.Convolution;
import dev.sparrow.nn.DenseFeedForward;
import dev.sparrow.nn.DenseWeight;
import dev.sparrow.nn.FeedForwardSpec;
import dev.sparrow.nn.GradientCheck;
import dev.sparrow.nn.GroupedLinearWeight;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.LinearWeight;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Backward passes and decay of factors are derivatives, in double. */
class LowRankGradientTest {
  private static final int WIDTH = 6;
  private static final Pass PASS = new Pass(true, 7, 30, 2, 5, 1.0 / 10);

  private final GradientCheck check = new GradientCheck(41);
  private final ReferenceBackend backend = check.backend();
  private final Oracle oracle = new Oracle(backend, 42);

  @AfterEach
  void close() {
    check.close();
  }

  /** Up goes through the activated products, down through the plain ones. */
  @ParameterizedTest
  @CsvSource({"1, false", "3, true", "6, false"})
  void factorsOfAFeedForward(int rank, boolean gated) {
    FeedForwardSpec spec =
        new FeedForwardSpec("f", 0, WIDTH, 8, Activation.GELU, gated, true, 0.1, 0.1);
    DenseFeedForward layer =
        new DenseFeedForward(backend, spec, matrix -> new LowRankWeight(backend, matrix, rank));
    check.check(layer, WIDTH, WIDTH, PASS);
  }

  /**
   * What the filters U·V make in one convolution, and its gradients by the chain rule; dx is added
   * to, then left out.
   */
  @ParameterizedTest
  @CsvSource({"3, 1, 4", "3, 2, 2", "1, 2, 3", "1, 1, 1"})
  void aConvolutionByFactorsIsTheOneByTheirProduct(int kernel, int stride, int rank) {
    ConvShape image = new ConvShape(1, 5, 6, 3, kernel, stride, kernel / 2);
    ConvShape batch = image.withImages(3);
    int out = 5;
    LinearSpec spec = new LinearSpec("w", image.patch(), out, 0.5);
    LowRankWeight factors = new LowRankWeight(backend, spec, rank);
    DenseWeight product = new DenseWeight(backend, new LinearSpec("p", image.patch(), out, 0.5));
    drawn(List.of(factors.v(), factors.u(), product.weight()));
    Tensor u = factors.u().value();
    Tensor v = factors.v().value();
    backend.matmul().backwardInput(u, v, false, product.weight().value());
    Tensor x = oracle.normal(batch.rows(), 3);
    Tensor dy = oracle.normal(batch.outRows(), out);
    List<Tensor> results = new ArrayList<>();
    try (Workspace workspace = new Workspace(backend)) {
      for (LinearWeight weight : List.of(factors, product)) {
        Convolution convolution = new Convolution(backend, "c", weight, image);
        convolution.reserve(workspace, 4);
        Tensor y = oracle.poisoned(batch.outRows(), out);
        convolution.forward(x, PASS, y);
        Tensor dx = backend.allocate(batch.rows(), 3);
        convolution.backward(x, dy, true, dx);
        convolution.backward(x, dy, false, null);
        results.addAll(List.of(y, dx));
      }
    }
    Tensor dw = product.weight().gradient();
    Tensor du = backend.allocate(out, rank);
    backend.matmul().forward(dw, v, null, null, du); // dW·Vᵀ
    Tensor dv = backend.allocate(rank, image.patch());
    backend.matmul().backwardWeight(u, dw, dv, null); // Uᵀ·dW
    TensorAssert close =
        new TensorAssert("kernel %d, stride %d".formatted(kernel, stride), 1e-12, 1e-12);
    close.check("y", download(results.get(2)), download(results.get(0)));
    close.check("dx", download(results.get(3)), download(results.get(1)));
    close.check("du", download(du), download(factors.u().gradient()));
    close.check("dv", download(dv), download(factors.v().gradient()));
  }

  private ParameterArena drawn(List<Parameter> parameters) {
    ParameterArena arena = new ParameterArena(backend, parameters);
    backend.elementwise().copy(oracle.normal((int) arena.size()), arena.values());
    return arena;
  }

  /** One expert has no rows. */
  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void factorsOfExperts(int rank) {
    LowRankGroupedWeight weight =
        new LowRankGroupedWeight(backend, new LinearSpec("e", 4, 5, 0.1), 3, rank);
    Tensor x = oracle.normal(7, 4);
    Tensor r = oracle.normal(7, 5);
    Tensor y = backend.allocate(7, 5);
    Tensor dx = backend.allocate(7, 4);
    Tensor offsets = offsets(0, 3, 3, 7);
    try (Workspace workspace = new Workspace(backend)) {
      drawn(List.of(weight.v(), weight.u()));
      weight.reserve(workspace, 7);
      weight.forward(x, null, offsets, y);
      weight.backward(x, null, r, offsets, false, dx);
      new FiniteDifferences(
              () -> {
                weight.forward(x, null, offsets, y);
                return FiniteDifferences.dot(y, r);
              })
          .gradient("x", x, dx)
          .gradient("u", weight.u().value(), weight.u().gradient())
          .gradient("v", weight.v().value(), weight.v().gradient())
          .allElements()
          .check();
    }
  }

  /** y = f(h), h = x·Wᵀ, and backward from the next layer's dy. */
  @ParameterizedTest
  @EnumSource(Activation.class)
  void activatedProductsOfExperts(Activation f) {
    LowRankGroupedWeight up =
        new LowRankGroupedWeight(backend, new LinearSpec("up", 4, 5, 0.1), 2, 2);
    LowRankGroupedWeight down =
        new LowRankGroupedWeight(backend, new LinearSpec("down", 5, 3, 0.1), 2, 2);
    Tensor x = oracle.normal(6, 4);
    Tensor r = oracle.normal(6, 3);
    Tensor h = backend.allocate(6, 5);
    Tensor a = backend.allocate(6, 5);
    Tensor y = backend.allocate(6, 3);
    Tensor dh = backend.allocate(6, 5);
    Tensor dx = backend.allocate(6, 4);
    Tensor offsets = offsets(0, 2, 6);
    try (Workspace workspace = new Workspace(backend)) {
      List<Parameter> parameters = new ArrayList<>();
      up.parameters(parameters::add);
      down.parameters(parameters::add);
      drawn(parameters);
      List.of(up, down).forEach(weight -> weight.reserve(workspace, 6));
      Runnable forward =
          () -> {
            up.activatedForward(f, x, null, offsets, h, a);
            down.forward(a, null, offsets, y);
          };
      forward.run();
      down.activatedBackward(f, h, a, r, offsets, dh);
      up.backward(x, null, dh, offsets, false, dx);
      FiniteDifferences differences =
          new FiniteDifferences(
                  () -> {
                    forward.run();
                    return FiniteDifferences.dot(y, r);
                  })
              .gradient("x", x, dx);
      parameters.forEach(p -> differences.gradient(p.name(), p.value(), p.gradient()));
      differences.allElements().check();
    }
  }

  private Tensor offsets(int... starts) {
    Tensor tensor = backend.allocate(DType.I32, Shape.of(starts.length));
    backend.upload(starts, 0, tensor);
    return tensor;
  }

  /** Of {@code (1/2)·Σ_e ‖U_e·V_e‖²}; added to what the gradients hold. */
  @ParameterizedTest
  @CsvSource({"1, 2", "1, 4", "3, 2"})
  void decayIsTheDerivativeOfTheProductsNorm(int matrices, int rank) {
    Factors factors = Factors.of(new LinearSpec("w", 4, 5, 0.1), matrices, matrices > 1, rank);
    try (Workspace workspace = new Workspace(backend)) {
      ParameterArena arena = drawn(List.of(factors.v(), factors.u()));
      FrobeniusDecay decay = new FrobeniusDecay(backend, factors);
      decay.reserve(workspace);
      decay.addToGradients(0.25);
      decay.addToGradients(0.75);
      new FiniteDifferences(() -> halfSquaredNorm(factors))
          .gradient("u", factors.u().value(), factors.u().gradient())
          .gradient("v", factors.v().value(), factors.v().gradient())
          .allElements()
          .check();
      double[] values = download(arena.values());
      double[] gradients = download(arena.gradients());
      decay.subtractFromValues(0.1);
      double[] decayed = download(arena.values());
      for (int i = 0; i < values.length; i++) {
        assertEquals(values[i] - 0.1 * gradients[i], decayed[i], 1e-12, "value " + i);
      }
    }
  }

  /** On a GPU in bf16, so 1% of the largest. */
  @ParameterizedTest
  @CsvSource({"1, 24, 40, 8", "3, 16, 24, 8"})
  void decayOnAGpuFollowsTheCpus(int matrices, int out, int in, int rank) {
    LinearSpec spec = new LinearSpec("w", in, out, 0.5);
    float[] expected = decayed(new CpuBackend(1), Factors.of(spec, matrices, matrices > 1, rank));
    float[] got = decayed(TestGpu.open(), Factors.of(spec, matrices, matrices > 1, rank));
    float largest = 0;
    for (float value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], got[i], 0.01 * largest, "value " + i);
    }
  }

  private static float[] decayed(Backend opened, Factors factors) {
    try (Backend backend = opened;
        Workspace workspace = new Workspace(backend)) {
      ParameterArena arena = new ParameterArena(backend, List.of(factors.v(), factors.u()));
      arena.initialize(3);
      FrobeniusDecay decay = new FrobeniusDecay(backend, factors);
      decay.reserve(workspace);
      decay.addToGradients(1);
      float[] gradients = new float[(int) arena.size()];
      backend.downloadSync(arena.gradients(), gradients, 0);
      return gradients;
    }
  }

  private double[] download(Tensor tensor) {
    double[] values = new double[Math.toIntExact(tensor.size())];
    backend.downloadSync(tensor, values, 0);
    return values;
  }

  private double halfSquaredNorm(Factors factors) {
    double[] u = download(factors.u().value());
    double[] v = download(factors.v().value());
    double sum = 0;
    for (int e = 0; e < factors.matrices(); e++) {
      for (int i = 0; i < factors.out(); i++) {
        for (int j = 0; j < factors.in(); j++) {
          double w = 0;
          for (int k = 0; k < factors.rank(); k++) {
            w +=
                u[(e * factors.out() + i) * factors.rank() + k]
                    * v[(e * factors.rank() + k) * factors.in() + j];
          }
          sum += w * w / 2;
        }
      }
    }
    return sum;
  }

  @Test
  void parametersAndOperationsAreThoseOfTheFactors() {
    LinearSpec spec = new LinearSpec("w", 12, 20, 0.1);
    LowRankWeight one = new LowRankWeight(backend, spec, 4);
    assertEquals(4 * (12 + 20), one.parameterCount());
    assertEquals(2.0 * 4 * (12 + 20), one.forwardFlopsPerRow());
    assertEquals("low-rank, rank 4", one.kind());
    GroupedLinearWeight experts = new LowRankGroupedWeight(backend, spec, 3, 4);
    assertEquals(3 * 4 * (12 + 20), experts.parameterCount());
    assertEquals(2.0 * 4 * (12 + 20), experts.forwardFlopsPerRow());
  }

  @Test
  void aRankAboveTheLesserSideIsRefused() {
    LinearSpec spec = new LinearSpec("w", 12, 20, 0.1);
    String message =
        assertThrows(IllegalArgumentException.class, () -> new LowRankWeight(backend, spec, 13))
            .getMessage();
    assertEquals("w: expected a rank of 1 to 12, the lesser of its sides, got 13", message);
  }
}
