package dev.sparrow.sparsity.lowrank;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.BatchNormOps;
import dev.sparrow.backend.ConvShape;
import dev.sparrow.backend.FiniteDifferences;
import dev.sparrow.backend.HostLoop;
import dev.sparrow.backend.Oracle;
import dev.sparrow.backend.RandomValues;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.backend.TensorAssert;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.backend.cuda.TestGpu;
import dev.sparrow.config.Cuttlefish.Momentum;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.Convolution;
import dev.sparrow.nn.DenseWeight;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.LinearWeight;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.ModelChange.Replacement;
import dev.sparrow.sparsity.ModelChange.Values;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Convolutions by factors with a batch normalisation between them. */
class NormalizedFactorsTest {
  private static final int CHANNELS = 3;
  private static final int OUT = 5;
  private static final int RANK = 3;
  private static final int SAMPLES = 3;
  private static final Pass TRAINING = new Pass(true, 7, 0, SAMPLES, 1, 1);
  private static final Pass INFERENCE = Pass.inference(SAMPLES, 1);

  private final ReferenceBackend backend = new ReferenceBackend();
  private final Workspace workspace = new Workspace(backend);
  private final Oracle oracle = new Oracle(backend, 17);

  @AfterEach
  void close() {
    workspace.close();
    backend.close();
  }

  private static ConvShape window(int kernel, int stride) {
    return new ConvShape(1, 5, 6, CHANNELS, kernel, stride, kernel / 2);
  }

  private static LinearSpec spec(ConvShape window) {
    return new LinearSpec("w", window.patch(), OUT, 0.5);
  }

  private static Factors factors(Backend backend, ConvShape window) {
    return Factors.of(spec(window), 1, false, RANK).normalized(backend, spec(window));
  }

  private static ParameterArena arena(Backend backend, LinearWeight weight) {
    List<Parameter> parameters = new ArrayList<>();
    weight.parameters(parameters::add);
    ParameterArena arena = new ParameterArena(backend, parameters);
    float[] values = new RandomValues(5).normal((int) arena.size());
    backend.upload(values, 0, arena.values());
    arena.publish();
    return arena;
  }

  private Convolution convolution(LinearWeight weight, ConvShape window) {
    Convolution convolution = new Convolution(backend, "w", weight, window);
    convolution.reserve(workspace, SAMPLES + 1); // more than there are
    return convolution;
  }

  private Tensor input(ConvShape window) {
    return oracle.normal(window.withImages(SAMPLES).rows(), CHANNELS);
  }

  private double[] forward(Convolution convolution, ConvShape window, Tensor x, Pass pass) {
    Tensor y = oracle.poisoned(window.withImages(SAMPLES).outRows(), OUT);
    convolution.forward(x, pass, y);
    return backend.download(y);
  }

  @ParameterizedTest
  @CsvSource({"3, 1", "3, 2", "1, 2", "1, 1"})
  void gradientsEqualCentralDifferences(int kernel, int stride) {
    ConvShape window = window(kernel, stride);
    LowRankWeight weight = new LowRankWeight(backend, factors(backend, window));
    ParameterArena arena = arena(backend, weight);
    assertEquals(4, arena.parameters().size());
    assertEquals(RANK * (window.patch() + OUT + 2), weight.parameterCount());
    Convolution convolution = convolution(weight, window);
    Tensor x = input(window);
    Tensor r = oracle.normal(window.withImages(SAMPLES).outRows(), OUT);
    Tensor y = backend.allocate(r.shape().toArray());
    Tensor dx = backend.allocate(x.shape().toArray());
    convolution.forward(x, TRAINING, y);
    convolution.backward(x, r, false, dx);
    FiniteDifferences differences =
        new FiniteDifferences(
                () -> {
                  convolution.forward(x, TRAINING, y);
                  return FiniteDifferences.dot(y, r);
                })
            .gradient("x", x, dx);
    arena.parameters().forEach(p -> differences.gradient(p.name(), p.value(), p.gradient()));
    differences.allElements().check();
  }

  /** y = P·(U·diag(s)·V)ᵀ + U·b with s = scale/sqrt(variance + ε), b = shift - s·mean. */
  @ParameterizedTest
  @CsvSource({"3, 1", "3, 2", "1, 2", "1, 1"})
  void evaluationIsTheConvolutionByTheScaledProduct(int kernel, int stride) {
    ConvShape window = window(kernel, stride);
    Factors factors = factors(backend, window);
    LowRankWeight weight = new LowRankWeight(backend, factors);
    ParameterArena arena = arena(backend, weight);
    float[] mean = {0.5f, -1, 2};
    float[] variance = {0.25f, 1, 9};
    factors.norm().run(mean, variance);
    Tensor x = input(window);
    double[] got = forward(convolution(weight, window), window, x, INFERENCE);

    double[] v = backend.download(arena.parameters().get(0).value());
    double[] scale = backend.download(arena.parameters().get(1).value());
    double[] shift = backend.download(arena.parameters().get(2).value());
    double[] u = backend.download(arena.parameters().get(3).value());
    double[] added = new double[OUT];
    float[] product = new float[OUT * window.patch()];
    for (int i = 0; i < OUT; i++) {
      for (int k = 0; k < RANK; k++) {
        double s = scale[k] / Math.sqrt(variance[k] + BatchNormOps.EPSILON);
        added[i] += u[i * RANK + k] * (shift[k] - s * mean[k]);
        for (int j = 0; j < window.patch(); j++) {
          product[i * window.patch() + j] += u[i * RANK + k] * s * v[k * window.patch() + j];
        }
      }
    }
    DenseWeight dense = new DenseWeight(backend, spec(window));
    arena(backend, dense);
    backend.upload(product, 0, dense.weight().value());
    double[] expected = forward(convolution(dense, window), window, x, INFERENCE);
    for (int i = 0; i < expected.length; i++) {
      expected[i] += added[i % OUT];
    }
    new TensorAssert("kernel %d, stride %d".formatted(kernel, stride), 1e-5, 1e-5)
        .check("y", expected, got);
  }

  /**
   * A matrix of the rank of its factors: of running statistics the same function, whatever they
   * are; of a batch's, where they were measured, up to the variance's n - 1 for n.
   */
  @ParameterizedTest
  @CsvSource({"3, 1, true", "3, 2, true", "1, 2, true", "1, 1, true", "3, 1, false"})
  void theSwitchKeepsTheFunction(int kernel, int stride, boolean sawABatch) {
    ConvShape window = window(kernel, stride);
    FactorizableLinearWeight weight = new FactorizableLinearWeight(backend, spec(window), true);
    ParameterArena before = arena(backend, weight);
    float[] u = Matrices.normal(OUT * RANK, 1, 3);
    float[] v = Matrices.normal(RANK * window.patch(), 1, 4);
    backend.upload(
        Matrices.product(u, v, OUT, RANK, window.patch()), 0, before.parameters().get(0).value());
    Convolution convolution = convolution(weight, window);
    Tensor x = input(window);
    backend.elementwise().scale(3, x, x);
    double[] whole = forward(convolution, window, x, sawABatch ? TRAINING : INFERENCE);

    FactorCarry carry =
        new FactorCarry(HostLoop.INLINE, 1, OUT, window.patch(), RANK, u, v, Momentum.PROJECT);
    InnerStatistics told = InnerStatistics.ofDoubles(weight.innerStatistics(carry).toDoubles());
    Replacement replacement = weight.factorize(RANK, 1, carry, told);
    arena(backend, weight);
    List<float[]> carried = replacement.carry().carry(new float[u.length], Values.WEIGHTS);
    assertEquals(4, carried.size());
    for (int i = 0; i < carried.size(); i++) {
      backend.upload(carried.get(i), 0, replacement.after().get(i).value());
    }
    assertEquals("low-rank, rank 3, batch-normalised", weight.kind());
    new TensorAssert("inference", 1e-4, 1e-4)
        .check("y", whole, forward(convolution, window, x, INFERENCE));
    if (sawABatch) {
      double largest = 0;
      for (double value : whole) {
        largest = Math.max(largest, Math.abs(value));
      }
      double rows = window.withImages(SAMPLES).outRows();
      new TensorAssert("training", 2 * largest / rows, 0)
          .check("y", whole, forward(convolution, window, x, TRAINING));
    }
  }

  @Test
  void optimizerStateOfTheNormalisationStartsFromZero() {
    float[] u = Matrices.normal(OUT * RANK, 1, 3);
    float[] v = Matrices.normal(RANK * 4, 1, 4);
    FactorCarry carry = new FactorCarry(HostLoop.INLINE, 1, OUT, 4, RANK, u, v, Momentum.PROJECT);
    InnerStatistics statistics = InnerStatistics.ofIndependentInputs(carry);
    float[] gradient = Matrices.normal(OUT * 4, 1, 5);
    List<float[]> moments = statistics.appendedTo(carry).carry(gradient, Values.MOMENT);
    assertEquals(4, moments.size());
    for (int k = 0; k < RANK; k++) {
      assertEquals(0, moments.get(2)[k]);
      assertEquals(0, moments.get(3)[k]);
    }
    assertTrue(moments.get(0)[0] != 0, "the factors' own is projected");
  }

  @Test
  void rowsAreRefused() {
    ConvShape window = window(3, 1);
    LowRankWeight weight = new LowRankWeight(backend, factors(backend, window));
    arena(backend, weight);
    weight.reserve(workspace, 4);
    Tensor x = oracle.normal(4, window.patch());
    Tensor y = backend.allocate(4, OUT);
    String message =
        assertThrows(IllegalStateException.class, () -> weight.forward(x, null, null, y))
            .getMessage();
    assertEquals(
        "w.weight.u: expected a convolution's windows, since a batch normalisation is between its factors, got rows; set cuttlefish.batch-norm = false",
        message);
  }

  /** Whatever the settings say, so that a saved model is read as it was. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theSavedFormIsTaken(boolean normalizes) {
    FactorizableLinearWeight weight =
        new FactorizableLinearWeight(backend, spec(window(3, 1)), normalizes);
    Shape u = Shape.of(OUT, 2);
    weight.fit(Map.of("w.weight.u", u, "w.weight.norm.weight", Shape.of(2)));
    List<Buffer> buffers = new ArrayList<>();
    weight.buffers(buffers::add);
    assertEquals(
        List.of("w.weight.norm.running_mean", "w.weight.norm.running_var"),
        buffers.stream().map(Buffer::name).toList());
    assertTrue(buffers.stream().allMatch(Buffer::isAveraged));
    weight.fit(Map.of("w.weight.u", u));
    buffers.clear();
    weight.buffers(buffers::add);
    assertTrue(buffers.isEmpty());
    weight.fit(Map.of("w.weight", Shape.of(OUT, 27)));
    assertFalse(weight.isLowRank());
  }

  /** On a GPU in bf16, so 3% of the largest. */
  @ParameterizedTest
  @CsvSource({"3, 1", "3, 2", "1, 2"})
  void aGpuFollowsTheCpu(int kernel, int stride) {
    ConvShape window = new ConvShape(1, 8, 8, 8, kernel, stride, kernel / 2);
    List<float[]> expected = passes(new CpuBackend(1), window);
    List<float[]> got = passes(TestGpu.open(), window);
    for (int i = 0; i < expected.size(); i++) {
      float largest = 0;
      for (float value : expected.get(i)) {
        largest = Math.max(largest, Math.abs(value));
      }
      for (int j = 0; j < expected.get(i).length; j++) {
        assertEquals(expected.get(i)[j], got.get(i)[j], 0.03 * largest, i + ", element " + j);
      }
    }
  }

  /** y, dx and the parameters' gradients. */
  private static List<float[]> passes(Backend opened, ConvShape window) {
    LinearSpec spec = new LinearSpec("w", window.patch(), 16, 0.5);
    ConvShape batch = window.withImages(4);
    try (Backend backend = opened;
        Workspace workspace = new Workspace(backend)) {
      Factors factors = Factors.of(spec, 1, false, 8).normalized(backend, spec);
      LowRankWeight weight = new LowRankWeight(backend, factors);
      ParameterArena arena = arena(backend, weight);
      Convolution convolution = new Convolution(backend, "w", weight, window);
      convolution.reserve(workspace, 4);
      Tensor x = workspace.keep(batch.rows(), window.channels());
      Tensor y = workspace.keep(batch.outRows(), 16);
      Tensor dy = workspace.keep(batch.outRows(), 16);
      Tensor dx = workspace.keep(batch.rows(), window.channels());
      backend.upload(Matrices.normal((int) x.size(), 1, 8), 0, x);
      backend.upload(Matrices.normal((int) dy.size(), 1, 9), 0, dy);
      convolution.forward(x, new Pass(true, 1, 0, 4, 1, 1), y);
      convolution.backward(x, dy, false, dx);
      List<float[]> results = new ArrayList<>();
      for (Tensor tensor : List.of(y, dx, arena.gradients())) {
        float[] values = new float[(int) tensor.size()];
        backend.downloadSync(tensor, values, 0);
        results.add(values);
      }
      arena.close();
      return results;
    }
  }
}
