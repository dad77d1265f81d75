package dev.sparrow.sparsity.moe;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.backend.TensorAssert;
import dev.sparrow.nn.DenseFeedForward;
import dev.sparrow.nn.DenseWeight;
import dev.sparrow.nn.FeedForwardSpec;
import dev.sparrow.nn.Layer;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.moe.MoeFixture.Result;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** What a mixture of experts must satisfy whatever its weights. */
class MoeInvariantsTest {
  /** Double, save what passes the host as float; see MoeFormsTest. */
  private static final double TOLERANCE = 2e-7;

  private static Result run(MoeCase values) {
    try (ReferenceBackend backend = new ReferenceBackend();
        MoeFixture fixture = new MoeFixture(backend, Form.GROUPED, values)) {
      return fixture.run();
    }
  }

  /** Blocks of n elements in another order: block i comes from block order[i]. */
  private static float[] permuted(float[] values, int[] order) {
    int n = values.length / order.length;
    float[] result = new float[values.length];
    for (int i = 0; i < order.length; i++) {
      System.arraycopy(values, order[i] * n, result, i * n, n);
    }
    return result;
  }

  private static double[] permuted(double[] values, int[] order) {
    int n = values.length / order.length;
    double[] result = new double[values.length];
    for (int i = 0; i < order.length; i++) {
      System.arraycopy(values, order[i] * n, result, i * n, n);
    }
    return result;
  }

  @Test
  void permutingTokensPermutesOutputsAndInputGradients() {
    MoeCase values = MoeCase.random(MoeCase.spec(6, 4, 2), 7, 4, true, 21);
    int[] order = {3, 0, 6, 1, 5, 2, 4};
    Result plain = run(values);
    Result moved = run(values.with(permuted(values.x(), order), permuted(values.dout(), order)));
    Result expected =
        new Result(
            permuted(plain.out(), order),
            permuted(plain.dx(), order),
            plain.drouter(),
            plain.dgate(),
            plain.dup(),
            plain.ddown(),
            plain.figures());
    Results.check(expected, moved, TOLERANCE, TOLERANCE, "tokens permuted, seed 21");
  }

  @Test
  void aSharedLayerAddsToOutputAndInputGradient() {
    MoeCase values = MoeCase.random(MoeCase.spec(6, 4, 2), 7, 4, true, 26);
    Result plain = run(values);
    try (ReferenceBackend backend = new ReferenceBackend();
        MoeFixture fixture =
            new MoeFixture(
                backend,
                Form.GROUPED,
                values,
                new DroplessDispatch(backend, 4, 2),
                new Doubling(backend))) {
      Result expected =
          new Result(
              plusTwice(plain.out(), values.x()),
              plusTwice(plain.dx(), values.dout()),
              plain.drouter(),
              plain.dgate(),
              plain.dup(),
              plain.ddown(),
              plain.figures());
      Results.check(expected, fixture.run(), TOLERANCE, TOLERANCE, "doubling shared, seed 26");
    }
  }

  private static double[] plusTwice(double[] values, float[] added) {
    double[] sums = values.clone();
    for (int i = 0; i < sums.length; i++) {
      sums[i] += 2.0 * added[i];
    }
    return sums;
  }

  /** {@code y = 2·x}, which no mixture of experts gives. */
  private static final class Doubling implements Layer {
    private final Backend backend;
    private Tensor y;
    private Tensor dx;

    Doubling(Backend backend) {
      this.backend = backend;
    }

    @Override
    public void parameters(Consumer<Parameter> sink) {}

    @Override
    public void reserve(Workspace workspace, int tokens) {
      y = workspace.keep(tokens, 6);
      dx = workspace.keep(tokens, 6);
    }

    @Override
    public Tensor forward(Tensor x, Pass pass) {
      backend.elementwise().scale(2, x, y);
      return y;
    }

    @Override
    public Tensor backward(Tensor dy, Pass pass) {
      backend.elementwise().scale(2, dy, dx);
      return dx;
    }

    @Override
    public void describe(LayerSummary.Sink sink) {}
  }

  @Test
  void relabellingExpertsChangesNothing() {
    MoeCase values = MoeCase.random(MoeCase.spec(6, 5, 2), 9, 4, true, 22);
    int[] order = {4, 2, 0, 1, 3};
    Result plain = run(values);
    Result moved =
        run(
            values.with(
                permuted(values.router(), order),
                permuted(values.gate(), order),
                permuted(values.up(), order),
                permuted(values.down(), order)));
    Result expected =
        new Result(
            plain.out(),
            plain.dx(),
            permuted(plain.drouter(), order),
            permuted(plain.dgate(), order),
            permuted(plain.dup(), order),
            permuted(plain.ddown(), order),
            plain.figures());
    Results.check(expected, moved, TOLERANCE, TOLERANCE, "experts relabelled, seed 22");
  }

  @Test
  void oneExpertEqualsDenseFeedForward() {
    for (boolean gated : new boolean[] {false, true}) {
      MoeCase values = MoeCase.random(MoeCase.spec(6, 1, 1, 1, 0, 0), 7, 5, gated, 23);
      Result moe = run(values);
      TensorAssert asserts = new TensorAssert("gated " + gated + ", seed 23", 1e-12, 1e-12);
      try (ReferenceBackend backend = new ReferenceBackend();
          DenseExpert dense = new DenseExpert(backend, values, 0)) {
        asserts.check("out", dense.forward(), moe.out());
        asserts.check("dx", dense.backward(), moe.dx());
        asserts.check("dup", dense.gradient("up"), moe.dup());
        asserts.check("ddown", dense.gradient("down"), moe.ddown());
        if (gated) {
          asserts.check("dgate", dense.gradient("gate"), moe.dgate());
        }
      }
    }
  }

  @Test
  void allExpertsEqualTheSoftmaxMixture() {
    int experts = 4;
    int tokens = 6;
    MoeCase values =
        MoeCase.random(MoeCase.spec(5, experts, experts, 0, 0, 0), tokens, 4, true, 24);
    double[] mixture = new double[tokens * 5];
    for (int e = 0; e < experts; e++) {
      try (ReferenceBackend backend = new ReferenceBackend();
          DenseExpert dense = new DenseExpert(backend, values, e)) {
        double[] y = dense.forward();
        for (int i = 0; i < y.length; i++) {
          mixture[i] += softmax(values, i / 5, e) * y[i];
        }
      }
    }
    new TensorAssert("seed 24", 1e-12, 1e-12).check("out", mixture, run(values).out());
  }

  private static double softmax(MoeCase values, int token, int expert) {
    double sum = 0;
    double chosen = 0;
    for (int e = 0; e < values.spec().experts(); e++) {
      double logit = 0;
      for (int i = 0; i < 5; i++) {
        logit += (double) values.x()[token * 5 + i] * values.router()[e * 5 + i];
      }
      sum += Math.exp(logit);
      chosen = e == expert ? Math.exp(logit) : chosen;
    }
    return chosen / sum;
  }

  @Test
  void balancedRoutingHasTheWeightItselfAsLoadBalancingLoss() {
    // 4 tokens, 4 experts, each chosen once with equal probabilities over the tokens: Σ_e
    // load_e·mean(p_e) = 1 and w·E/(T·k) = w.
    MoeCase values = MoeCase.random(MoeCase.spec(6, 4, 1), 4, 4, false, 25).routed(2, 0, 3, 1);
    assertEquals(0.1, run(values).figures().get("load_balancing_loss"), 1e-7);
    assertEquals(1, run(values).figures().get("expert_load_max_over_mean"), 0);
  }

  @Test
  void microBatchesAddUpToTheWholeBatch() {
    // The z-loss is a mean over tokens, so its gradient must not depend on how they are split.
    MoeCase values = MoeCase.random(MoeCase.spec(6, 4, 2, 1, 0, 0.05), 8, 4, true, 26);
    try (ReferenceBackend backend = new ReferenceBackend();
        MoeFixture fixture = new MoeFixture(backend, Form.GROUPED, values)) {
      for (int first = 0; first < 8; first += 4) {
        Pass part = new Pass(true, 1, first, 1, 4, fixture.pass.lossScale());
        fixture.layer.forward(fixture.x.slice(first, 4), part);
        fixture.layer.backward(fixture.dout.slice(first, 4), part);
      }
      double[] added = backend.download(fixture.parameter("router").gradient());
      new TensorAssert("seed 26", 1e-12, 1e-12).check("drouter", run(values).drouter(), added);
    }
  }

  /** One expert's weights in a dense feed-forward block. */
  private static final class DenseExpert implements AutoCloseable {
    private final ReferenceBackend backend;
    private final MoeCase values;
    private final DenseFeedForward layer;
    private final List<Parameter> parameters = new ArrayList<>();
    private final ParameterArena arena;
    private final Workspace workspace;
    private final MoeFixture inputs;

    DenseExpert(ReferenceBackend backend, MoeCase values, int expert) {
      this.backend = backend;
      this.values = values;
      FeedForwardSpec spec =
          new FeedForwardSpec(
              "dense",
              0,
              values.spec().width(),
              values.hidden(),
              Activation.SILU,
              values.gated(),
              false,
              1,
              1);
      this.layer = new DenseFeedForward(backend, spec, matrix -> new DenseWeight(backend, matrix));
      layer.parameters(parameters::add);
      this.arena = new ParameterArena(backend, parameters);
      this.workspace = new Workspace(backend);
      layer.reserve(workspace, values.tokens());
      this.inputs = new MoeFixture(backend, Form.GROUPED, values);
      upload("up", values.up(), expert);
      upload("down", values.down(), expert);
      if (values.gated()) {
        upload("gate", values.gate(), expert);
      }
    }

    private Parameter parameter(String role) {
      return parameters.stream().filter(p -> p.name().contains(role)).findFirst().orElseThrow();
    }

    private void upload(String role, float[] all, int expert) {
      int n = all.length / values.spec().experts();
      float[] own = Arrays.copyOfRange(all, expert * n, (expert + 1) * n);
      backend.upload(own, 0, parameter(role).value());
    }

    double[] forward() {
      return backend.download(layer.forward(inputs.x, inputs.pass));
    }

    double[] backward() {
      return backend.download(layer.backward(inputs.dout, inputs.pass));
    }

    double[] gradient(String role) {
      return backend.download(parameter(role).gradient());
    }

    @Override
    public void close() {
      inputs.close();
      workspace.close();
      arena.close();
    }
  }
}
