package dev.sparrow.sparsity.moe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.RandomValues;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.config.ModelShape;
import dev.sparrow.config.Moe;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.DenseFeedForward;
import dev.sparrow.nn.FeedForwardSpec;
import dev.sparrow.nn.Layer;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.DenseMethod;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class MoeMethodTest {
  private static final int WIDTH = 16;
  private static final int EXPERTS = 4;
  private static final int TOKENS = 64;

  private static Moe moe(Moe.Dispatch dispatch, int shared, double balancing, int every) {
    return new Moe(EXPERTS, 2, 24, shared, dispatch, 1.25, 0, 1, 0.01, 0.001, balancing, every);
  }

  private static ModelShape shape(int layers) {
    return new ModelShape(
        ModelShape.Kind.TRANSFORMER,
        layers,
        2,
        WIDTH,
        32,
        TOKENS,
        ModelShape.Positions.LEARNED,
        1e4,
        ModelShape.NormKind.LAYER,
        1e-5,
        Activation.GELU,
        true,
        true,
        false,
        0,
        0.02,
        List.of(),
        1,
        0);
  }

  private static FeedForwardSpec block(int layer) {
    return new FeedForwardSpec(
        "blocks." + layer + ".feed_forward",
        layer,
        WIDTH,
        32,
        Activation.GELU,
        true,
        true,
        0.2,
        0.1);
  }

  private static MoeMethod method(Backend backend, Moe moe, int layers) {
    return new MoeMethod(backend, moe, shape(layers), new DenseMethod(backend));
  }

  @Test
  void everyPicksTheBlocks() {
    try (CpuBackend backend = new CpuBackend(1)) {
      MoeMethod method = method(backend, moe(Moe.Dispatch.DROPLESS, 0, 0, 2), 4);
      assertInstanceOf(DenseFeedForward.class, method.feedForward(block(0)));
      assertInstanceOf(DroplessMoe.class, method.feedForward(block(1)));
      assertInstanceOf(DenseFeedForward.class, method.feedForward(block(2)));
      assertInstanceOf(DroplessMoe.class, method.feedForward(block(3)));
      assertEquals("moe", method.name());
    }
  }

  @Test
  void aModelWithoutAnyMixtureIsRefused() {
    try (CpuBackend backend = new CpuBackend(1)) {
      Moe everyThird = moe(Moe.Dispatch.DROPLESS, 0, 0, 3);
      assertThrows(IllegalArgumentException.class, () -> method(backend, everyThird, 2));
    }
  }

  @Test
  void parametersAreNamedAndCounted() {
    try (CpuBackend backend = new CpuBackend(1)) {
      Layer layer =
          method(backend, moe(Moe.Dispatch.DROPLESS, 8, 0.001, 1), 1).feedForward(block(0));
      Map<String, String> shapes = new HashMap<>();
      layer.parameters(parameter -> shapes.put(parameter.name(), parameter.shape().toString()));
      String prefix = "blocks.0.feed_forward.";
      assertEquals("[4, 16]", shapes.get(prefix + "router.weight"));
      assertEquals("[4, 24, 16]", shapes.get(prefix + "experts.gate.weight"));
      assertEquals("[4, 24, 16]", shapes.get(prefix + "experts.up.weight"));
      assertEquals("[4, 16, 24]", shapes.get(prefix + "experts.down.weight"));
      assertEquals("[8, 16]", shapes.get(prefix + "shared.up.weight"));
      List<Buffer> buffers = new ArrayList<>();
      layer.buffers(buffers::add);
      assertEquals(prefix + "router.bias", buffers.get(0).name());
      List<LayerSummary> rows = new ArrayList<>();
      layer.describe(rows::add);
      List<LayerSummary> experts = rows.subList(rows.size() - 3, rows.size());
      assertEquals(prefix + "experts.gate", experts.get(0).name());
      assertEquals(prefix + "experts.up", experts.get(1).name());
      assertEquals(prefix + "experts.down", experts.get(2).name());
      for (LayerSummary matrix : experts) {
        assertEquals(EXPERTS * 24 * WIDTH, matrix.parameters());
        assertEquals(2 * 24 * WIDTH, matrix.activeParameters());
        assertEquals(2 * 2 * 24 * WIDTH, matrix.forwardFlops());
      }
    }
  }

  @Test
  void everyDispatchAgreesWhereNothingIsDropped() {
    float[] expected = output(Moe.Dispatch.DROPLESS);
    float[] padded = output(Moe.Dispatch.PADDED);
    for (int i = 0; i < expected.length; i++) {
      // The tiles of the padded product may differ, so the order of fp32 sums of 24 terms may.
      assertEquals(expected[i], padded[i], 1e-5 * (1 + Math.abs(expected[i])), "output " + i);
    }
  }

  private static float[] output(Moe.Dispatch dispatch) {
    try (Rank rank = new Rank(moe(dispatch, 8, 0, 1))) {
      return rank.forward(1);
    }
  }

  @Test
  void balancingEvensTheLoad() {
    try (Rank rank = new Rank(moe(Moe.Dispatch.DROPLESS, 0, 0.01, 1))) {
      rank.skew();
      double first = rank.maxOverMean();
      for (int step = 1; step <= 200; step++) {
        rank.forward(1);
        rank.method.afterStep(step, new PeerSum(new double[EXPERTS]));
      }
      double last = rank.maxOverMean();
      assertTrue(first > 1.5, "the start should be skewed, got " + first);
      assertTrue(last < 1.1, "expected a load below 1.1 of the mean, got " + last);
    }
  }

  @Test
  void balancingIsTheSameOnAllRanks() {
    Moe moe = moe(Moe.Dispatch.DROPLESS, 0, 0.01, 1);
    try (Rank a = new Rank(moe);
        Rank b = new Rank(moe)) {
      for (int step = 1; step <= 5; step++) {
        a.forward(2 * step);
        b.forward(2 * step + 1);
        AtomicReference<double[]> loadOfA = new AtomicReference<>();
        double[] loadOfB = b.load();
        a.method.afterStep(step, new PeerSum(loadOfB, loadOfA::set));
        b.method.afterStep(step, new PeerSum(loadOfA.get()));
      }
      assertArrayEquals(a.bias(), b.bias());
      boolean moved = false;
      for (float value : a.bias()) {
        moved |= value != 0;
      }
      assertTrue(moved, "the bias should have moved");
    }
  }

  @Test
  void inferenceDoesNotCountForBalancing() {
    try (Rank rank = new Rank(moe(Moe.Dispatch.DROPLESS, 0, 0.01, 1))) {
      rank.layer.forward(rank.input(1), Pass.inference(1, TOKENS));
      rank.method.afterStep(1, new PeerSum(new double[EXPERTS]));
      assertArrayEquals(new float[EXPERTS], rank.bias());
    }
  }

  /** One rank with one mixture-of-experts block, equal weights on every rank. */
  private static final class Rank implements AutoCloseable {
    final CpuBackend backend = new CpuBackend(1);
    final MoeMethod method;
    final Layer layer;
    private final List<Parameter> parameters = new ArrayList<>();
    private final Workspace workspace = new Workspace(backend);
    private final Tensor x = backend.allocate(TOKENS, WIDTH);

    Rank(Moe moe) {
      method = method(backend, moe, 1);
      layer = method.feedForward(block(0));
      layer.parameters(parameters::add);
      new ParameterArena(backend, parameters).initialize(61);
      layer.reserve(workspace, TOKENS);
    }

    Tensor input(long seed) {
      backend.upload(new RandomValues(seed).normal(TOKENS * WIDTH), 0, x);
      return x;
    }

    float[] forward(long seed) {
      float[] out = new float[TOKENS * WIDTH];
      Pass pass = new Pass(true, 1, 0, 1, TOKENS, 1.0 / TOKENS);
      backend.downloadSync(layer.forward(input(seed), pass), out, 0);
      return out;
    }

    /** Moves the bias of the first two experts up, so that they take more than their share. */
    void skew() {
      backend.upload(new float[] {0.2f, 0.1f, 0, -0.1f}, 0, buffer().value());
    }

    double maxOverMean() {
      forward(1);
      Map<String, Double> figures = new HashMap<>();
      layer.figures(figures::put);
      return figures.get("expert_load_max_over_mean");
    }

    /** The load since the last step, which stays counted. */
    double[] load() {
      double[] load = new double[EXPERTS];
      BalancingBias bias = ((DroplessMoe) layer).router().balancingBias();
      bias.takeLoad(load, 0);
      int[] again = new int[EXPERTS];
      for (int e = 0; e < EXPERTS; e++) {
        again[e] = (int) load[e];
      }
      Tensor counted = backend.allocate(DType.I32, Shape.of(EXPERTS));
      backend.upload(again, 0, counted);
      bias.count(counted);
      return load;
    }

    private Buffer buffer() {
      List<Buffer> buffers = new ArrayList<>();
      layer.buffers(buffers::add);
      return buffers.get(0);
    }

    float[] bias() {
      float[] bias = new float[EXPERTS];
      backend.downloadSync(buffer().value(), bias, 0);
      return bias;
    }

    @Override
    public void close() {
      workspace.close();
      backend.close();
    }
  }
}
