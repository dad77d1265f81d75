package dev.sparrow.sparsity.uniform;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.FiniteDifferences;
import dev.sparrow.backend.HostLoop;
import dev.sparrow.backend.RandomValues;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.config.ModelShape;
import dev.sparrow.config.Moe;
import dev.sparrow.config.Uniform;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.DenseGroupedWeight;
import dev.sparrow.nn.FeedForwardSpec;
import dev.sparrow.nn.GroupedLinearWeight;
import dev.sparrow.nn.Layer;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.ModelChange;
import dev.sparrow.sparsity.moe.MoeMethod;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Mixtures of uniformly sparse experts, as {@link MoeMethod} and {@link UniformMethod} make them.
 */
class SparseExpertsTest {
  private static final int WIDTH = 8;
  private static final int HIDDEN = 12;
  private static final int EXPERTS = 3;
  private static final int TOP_K = 2;
  private static final int TOKENS = 7;
  private static final String PREFIX = "blocks.0.feed_forward.";

  private static Uniform settings(Uniform.Schedule schedule, double sparsity, String... except) {
    return new Uniform(
        schedule,
        sparsity,
        Uniform.Distribution.UNIFORM,
        Uniform.Format.UNIFORM,
        4,
        128,
        List.of("blocks.*"),
        List.of(except),
        0,
        0,
        1,
        0.3,
        0,
        Uniform.Products.SPARSE);
  }

  private static MoeMethod method(Backend backend, Moe.Dispatch dispatch, Uniform settings) {
    Moe moe = new Moe(EXPERTS, TOP_K, HIDDEN, 0, dispatch, 4, 0, 1, 0.01, 0.001, 0, 1);
    ModelShape shape =
        new ModelShape(
            ModelShape.Kind.TRANSFORMER,
            1,
            2,
            WIDTH,
            HIDDEN,
            TOKENS,
            ModelShape.Positions.LEARNED,
            1e4,
            ModelShape.NormKind.LAYER,
            1e-5,
            Activation.SILU,
            true,
            false,
            false,
            0,
            0.02,
            List.of(),
            1,
            8);
    return new MoeMethod(backend, moe, shape, new UniformMethod(backend, settings, 10, 5));
  }

  private static Layer layer(MoeMethod method, boolean gated) {
    return (Layer)
        method.feedForward(
            new FeedForwardSpec(
                "blocks.0.feed_forward",
                0,
                WIDTH,
                HIDDEN,
                Activation.SILU,
                gated,
                false,
                0.5,
                0.5));
  }

  private static List<Parameter> parameters(Layer layer) {
    List<Parameter> parameters = new ArrayList<>();
    layer.parameters(parameters::add);
    return parameters;
  }

  /** A choice of experts that a step of the differences turns would show as a large error. */
  @ParameterizedTest
  @EnumSource(Moe.Dispatch.class)
  void gradientsAreTheDerivatives(Moe.Dispatch dispatch) {
    for (boolean gated : new boolean[] {false, true}) {
      try (ReferenceBackend backend = new ReferenceBackend();
          Workspace workspace = new Workspace(backend)) {
        MoeMethod method = method(backend, dispatch, settings(Uniform.Schedule.STATIC, 0.6));
        Layer layer = layer(method, gated);
        method.modelBuilt();
        List<Parameter> parameters = parameters(layer);
        try (ParameterArena arena = new ParameterArena(backend, parameters)) {
          arena.initialize(8);
          layer.reserve(workspace, TOKENS);
          RandomValues random = new RandomValues(4);
          Tensor x = upload(backend, random.normal(TOKENS * WIDTH), TOKENS, WIDTH);
          Tensor dout = upload(backend, random.normal(TOKENS * WIDTH), TOKENS, WIDTH);
          // Without a loss scale the router's own losses add nothing.
          Pass pass = new Pass(true, 1, 0, 1, TOKENS, 0);
          arena.zeroGradients();
          layer.forward(x, pass);
          Tensor dx = layer.backward(dout, pass);
          FiniteDifferences differences =
              new FiniteDifferences(() -> FiniteDifferences.dot(layer.forward(x, pass), dout))
                  .samples(40, 3)
                  .gradient("x", x, dx);
          for (Parameter parameter : parameters) {
            differences.gradient(parameter.name(), parameter.value(), parameter.gradient());
          }
          differences.check();
        }
      }
    }
  }

  private static Tensor upload(Backend backend, float[] values, int... dims) {
    Tensor tensor = backend.allocate(dims);
    backend.upload(values, 0, tensor);
    return tensor;
  }

  @Test
  void expertsAreNamedSparseAndCounted() {
    try (Backend backend = new CpuBackend(1)) {
      MoeMethod method =
          method(backend, Moe.Dispatch.DROPLESS, settings(Uniform.Schedule.STATIC, 0.75));
      Layer layer = layer(method, true);
      method.modelBuilt();
      List<String> names = parameters(layer).stream().map(Parameter::toString).toList();
      assertEquals(
          List.of(
              PREFIX + "router.weight[3, 8]",
              PREFIX + "experts.gate.weight.values[36, 2]",
              PREFIX + "experts.up.weight.values[36, 2]",
              PREFIX + "experts.down.weight.values[24, 3]"),
          names);
      List<String> buffers = new ArrayList<>();
      layer.buffers(buffer -> buffers.add(buffer.name()));
      assertTrue(buffers.contains(PREFIX + "experts.down.weight.columns"), buffers.toString());
      assertEquals(6, buffers.size());
      List<LayerSummary> rows = new ArrayList<>();
      layer.describe(rows::add);
      LayerSummary down = rows.get(rows.size() - 1);
      assertEquals(PREFIX + "experts.down", down.name());
      assertEquals("3 experts, 12 -> 8, uniformly sparse, 3 of 12 in each of 24 rows", down.kind());
      assertEquals(72, down.parameters());
      assertEquals(72 / EXPERTS * TOP_K, down.activeParameters());
      assertEquals(2.0 * 72 / EXPERTS * TOP_K, down.forwardFlops());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"*.experts.*", "*.experts.down"})
  void exceptionsKeepExpertsDense(String except) {
    try (Backend backend = new CpuBackend(1)) {
      UniformMethod method =
          new UniformMethod(backend, settings(Uniform.Schedule.STATIC, 0.75, except), 10, 5);
      LinearSpec spec = new LinearSpec(PREFIX + "experts.down", HIDDEN, WIDTH, 0.1);
      assertInstanceOf(DenseGroupedWeight.class, method.groupedLinearWeight(spec, EXPERTS));
    }
  }

  @Test
  void aStackTooLargeForAPatternIsNamed() {
    try (Backend backend = new CpuBackend(1)) {
      UniformMethod method =
          new UniformMethod(backend, settings(Uniform.Schedule.STATIC, 0.75), 10, 5);
      LinearSpec spec = new LinearSpec(PREFIX + "experts.up", 1 << 14, 1 << 14, 0.1);
      String message =
          assertThrows(IllegalArgumentException.class, () -> method.groupedLinearWeight(spec, 8))
              .getMessage();
      assertTrue(message.contains("got 8 of 16384 by 16384"), message);
    }
  }

  /**
   * With every column in every row the products are those of dense experts, sums in other orders.
   */
  @Test
  void wholeRowsEqualDenseExperts() {
    try (Backend backend = new CpuBackend(1)) {
      LinearSpec spec = new LinearSpec("up", WIDTH, HIDDEN, 0.5);
      PatternFormat format = new PatternFormat("up", EXPERTS, 36, WIDTH, 1, WIDTH, false);
      SparsifiedGroupedWeight sparse = new SparsifiedGroupedWeight(backend, spec, format);
      float[] weights = new RandomValues(2).normal(EXPERTS * HIDDEN * WIDTH);
      sparse.begin(new PatternChoice(format, HostLoop.INLINE).byMagnitude(weights, WIDTH), true);
      float[] results = passes(backend, sparse, weights);
      float[] dense = passes(backend, new DenseGroupedWeight(backend, spec, EXPERTS), weights);
      assertArrayEquals(dense, results, 1e-5f);
    }
  }

  /** Five rows of three experts, the second without any: y, dx and the gradient of the weights. */
  private static float[] passes(Backend backend, GroupedLinearWeight weight, float[] values) {
    List<Parameter> parameters = new ArrayList<>();
    weight.parameters(parameters::add);
    RandomValues random = new RandomValues(9);
    Tensor x = upload(backend, random.normal(5 * WIDTH), 5, WIDTH);
    Tensor dy = upload(backend, random.normal(5 * HIDDEN), 5, HIDDEN);
    Tensor y = backend.allocate(5, HIDDEN);
    Tensor dx = backend.allocate(5, WIDTH);
    Tensor offsets = backend.allocate(DType.I32, Shape.of(EXPERTS + 1));
    backend.upload(new int[] {0, 2, 2, 5}, 0, offsets);
    try (ParameterArena arena = new ParameterArena(backend, parameters)) {
      backend.upload(values, 0, parameters.get(0).value());
      arena.publish();
      arena.zeroGradients();
      weight.forward(x, null, offsets, y);
      weight.backward(x, null, dy, offsets, false, dx);
      float[] all = new float[5 * (HIDDEN + WIDTH) + values.length];
      backend.downloadSync(y, all, 0);
      backend.downloadSync(dx, all, 5 * HIDDEN);
      backend.downloadSync(parameters.get(0).gradient(), all, 5 * (HIDDEN + WIDTH));
      return all;
    }
  }

  @Test
  void aPatternTakesExpertsFromDenseToSparse() {
    try (Backend backend = new CpuBackend(1)) {
      PatternFormat format = new PatternFormat("up", 2, 4, 3, 1, 3, false);
      SparsifiedGroupedWeight weight =
          new SparsifiedGroupedWeight(backend, new LinearSpec("up", 3, 2, 1), format);
      assertEquals("up.weight[2, 2, 3]", weight.trained().toString());
      UniformPattern pattern = format.pattern(1, new int[] {0, 1, 2, 3}, new int[] {2, 0, 1, 2});
      float[] carried =
          weight
              .change(pattern, true)
              .carry()
              .carry(new float[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, ModelChange.Values.WEIGHTS)
              .get(0);
      assertArrayEquals(new float[] {2, 3, 7, 11}, carried);
      assertFalse(weight.isDense());
      List<Buffer> buffers = new ArrayList<>();
      weight.buffers(buffers::add);
      assertEquals("up.weight.columns", buffers.get(0).name());
    }
  }

  /** Sums in other orders; off the pattern the gradient of the whole matrices is zero. */
  @Test
  void maskedExpertsMultiplyLikeSparseOnes() {
    try (Backend backend = new CpuBackend(1)) {
      LinearSpec spec = new LinearSpec("up", WIDTH, HIDDEN, 0.5);
      PatternFormat format = new PatternFormat("up", EXPERTS, 36, WIDTH, 1, WIDTH, false);
      float[] weights = new RandomValues(2).normal(EXPERTS * HIDDEN * WIDTH);
      UniformPattern pattern = new PatternChoice(format, HostLoop.INLINE).byMagnitude(weights, 3);
      float[] values = PatternCarry.toValues(HostLoop.INLINE, pattern).apply(weights);
      SparsifiedGroupedWeight sparse = new SparsifiedGroupedWeight(backend, spec, format);
      sparse.begin(pattern, true);
      SparsifiedGroupedWeight masked = new SparsifiedGroupedWeight(backend, spec, format);
      masked.begin(pattern, false);
      float[] expected = passes(backend, sparse, values);
      float[] got =
          passes(
              backend,
              masked,
              PatternCarry.toMatrix(HostLoop.INLINE, pattern)
                  .apply(PatternCarry.toValues(HostLoop.INLINE, pattern).apply(weights)));
      int products = 5 * (HIDDEN + WIDTH);
      assertArrayEquals(
          Arrays.copyOf(expected, products), Arrays.copyOf(got, products), 1e-5f, "products");
      float[] gradient = Arrays.copyOfRange(expected, products, expected.length);
      assertArrayEquals(
          PatternCarry.toMatrix(HostLoop.INLINE, pattern).apply(gradient),
          Arrays.copyOfRange(got, products, got.length),
          1e-5f,
          "gradient");
      assertEquals("uniformly sparse, 3 of 8 in each of 36 rows, multiplied whole", masked.kind());
      assertEquals(108, masked.activeParameterCount());
      assertEquals(sparse.activeParameterCount(), masked.activeParameterCount());
      List<LayerSummary> rows = new ArrayList<>();
      masked.describe(TOP_K, rows::add);
      assertEquals(108 / EXPERTS * TOP_K, rows.get(0).activeParameters());
      assertEquals(EXPERTS * HIDDEN * WIDTH, rows.get(0).parameters());
    }
  }

  /** Anywhere in its matrix, but as many as in every other expert's. */
  @Test
  void unstructuredExpertsHoldEquallyMany() {
    try (Backend backend = new CpuBackend(1)) {
      PatternFormat format = new PatternFormat("up", 2, 2, 6, 1, 6, false);
      SparsifiedGroupedWeight weight =
          new SparsifiedGroupedWeight(backend, new LinearSpec("up", 3, 2, 1), format);
      weight.begin(format.pattern(2, new int[] {0, 1}, new int[] {0, 1, 2, 5}), false);
      assertEquals("unstructured, 4 of 12, multiplied whole", weight.kind());
      assertFalse(weight.canBeSparse());
      List<Buffer> buffers = new ArrayList<>();
      weight.buffers(buffers::add);
      Tensor mask = buffers.get(0).value();
      int[] words = new int[1];
      backend.downloadSync(mask, words, 0);
      assertArrayEquals(new int[] {1 | 1 << 1 | 1 << 8 | 1 << 11}, words);
      backend.upload(new int[] {1 << 3 | 1 << 5 | 1 << 6 | 1 << 7}, 0, mask);
      weight.loaded();
      assertArrayEquals(new int[] {3, 5, 6, 7}, weight.pattern().places());
      backend.upload(new int[] {1 << 3 | 1 << 6 | 1 << 7 | 1 << 8}, 0, mask);
      String message = assertThrows(IllegalArgumentException.class, weight::loaded).getMessage();
      assertTrue(message.startsWith("up.weight: saved pattern: expected"), message);
    }
  }
}
