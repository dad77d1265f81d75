package dev.sparrow.sparsity.lowrank;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ConvShape;
import dev.sparrow.backend.HostLoop;
import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.backend.cuda.TestGpu;
import dev.sparrow.collective.Collective;
import dev.sparrow.collective.LocalCollective;
import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.Cuttlefish;
import dev.sparrow.config.OptimizerSettings;
import dev.sparrow.nn.Convolution;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.LinearWeight;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Workspace;
import dev.sparrow.optim.Optimizer;
import dev.sparrow.sparsity.ModelChange;
import dev.sparrow.sparsity.ModelChange.Values;
import dev.sparrow.sparsity.PairedTimer;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The switch of single layers: ranks, factors, optimizer state, the gate. */
class FactorizerTest {
  private static Cuttlefish settings(String... assignments) {
    return ConfigParser.parse("", "test", List.of(assignments)).cuttlefish();
  }

  private static ModelChange factorize(Backend backend, FactorizableWeight weight, Cuttlefish s) {
    FactorGate gate =
        new FactorGate(
            s,
            (layer, rank) -> {
              throw new AssertionError("timed " + layer);
            });
    try (Collective alone = new LocalCollective()) {
      return new Factorizer(backend, s, RankRule.of(s, false), gate, s.matchesRates())
          .factorize(List.of(weight), alone);
    }
  }

  /**
   * A layer learns y = T·x of a teacher T of rank k from noisy examples, starting from full-rank
   * noise; its rank is then told, and its factors are near the teacher.
   */
  @ParameterizedTest
  @CsvSource({"64, 48, 8, 1", "48, 96, 16, 2"})
  void theRankOfATeacherIsRecovered(int out, int in, int k, long seed) {
    float[] teacher = Matrices.planted(out, in, k, 4, 0, seed);
    try (Backend backend = new CpuBackend(1);
        Workspace workspace = new Workspace(backend)) {
      FactorizableLinearWeight student =
          new FactorizableLinearWeight(backend, new LinearSpec("w", in, out, 0.05));
      Parameter whole = student.matrix();
      ParameterArena arena = new ParameterArena(backend, List.of(whole));
      arena.initialize(seed);
      learn(backend, workspace, student, arena, teacher, seed);
      float[] learnt = new float[out * in];
      backend.downloadSync(whole.value(), learnt, 0);
      ModelChange change = factorize(backend, student, settings("cuttlefish.min-speed-up=0"));
      assertEquals(k, student.rank());
      List<float[]> factors = change.replacements().get(0).carry().carry(learnt, Values.WEIGHTS);
      float[] product = Matrices.product(factors.get(1), factors.get(0), out, k, in);
      double error = 0;
      double norm = 0;
      for (int i = 0; i < product.length; i++) {
        error += Math.pow(product[i] - teacher[i], 2);
        norm += teacher[i] * teacher[i];
      }
      assertTrue(error < 0.01 * norm, error + " of " + norm);
    }
  }

  private static void learn(
      Backend backend,
      Workspace workspace,
      FactorizableLinearWeight student,
      ParameterArena arena,
      float[] teacher,
      long seed) {
    int rows = 64;
    student.reserve(workspace, rows);
    OptimizerSettings adamW =
        new OptimizerSettings(
            OptimizerSettings.Kind.ADAMW, 0.003, 0.9, 0.99, 1e-8, 0.1, 0, false, 0);
    Tensor truth = workspace.keep(student.out(), student.in());
    backend.upload(teacher, 0, truth);
    Tensor x = workspace.keep(rows, student.in());
    Tensor y = workspace.keep(rows, student.out());
    Tensor expected = workspace.keep(rows, student.out());
    try (Optimizer optimizer = Optimizer.of(adamW, backend, arena)) {
      for (int step = 1; step <= 400; step++) {
        backend.upload(Matrices.normal(rows * student.in(), 1, 1000 * seed + step), 0, x);
        float[] noise = Matrices.normal(rows * student.out(), 0.05, -1000 * seed - step);
        backend.upload(noise, 0, expected);
        backend.matmul().forward(x, truth, null, expected, expected);
        student.forward(x, null, null, y);
        backend.elementwise().axpy(-1, expected, y); // dy of half the squared error
        backend.elementwise().scale(1.0 / rows, y, y);
        arena.zeroGradients();
        student.backward(x, y, null, false, null);
        optimizer.step(step, 0.003, 1);
      }
    }
  }

  /** Of a stack the matrix that needs most decides; the others have zeros beyond their rank. */
  @Test
  void expertsShareTheLargestRank() {
    try (Backend backend = new CpuBackend(1)) {
      FactorizableGroupedWeight experts =
          new FactorizableGroupedWeight(backend, new LinearSpec("e", 80, 64, 0.02), 2);
      ParameterArena arena = new ParameterArena(backend, List.of(experts.matrix()));
      float[] stack = new float[2 * 64 * 80];
      System.arraycopy(Matrices.planted(64, 80, 8, 4, 0.001, 1), 0, stack, 0, 64 * 80);
      System.arraycopy(Matrices.planted(64, 80, 16, 4, 0.001, 2), 0, stack, 64 * 80, 64 * 80);
      backend.upload(stack, 0, experts.matrix().value());
      arena.publish();
      ModelChange change = factorize(backend, experts, settings("cuttlefish.min-speed-up=0"));
      assertEquals(16, experts.rank());
      assertTrue(change.ofRankZero());
      List<Parameter> after = change.replacements().get(0).after();
      assertEquals("e.weight.v[2, 16, 80]", after.get(0).toString());
      assertEquals("e.weight.u[2, 64, 16]", after.get(1).toString());
      assertEquals("low-rank, rank 16", experts.kind());
    }
  }

  /** A gradient of W becomes what the chain rule gives for U and V; squares of it, for one row. */
  @ParameterizedTest
  @CsvSource({"5, 7", "150, 9", "6, 260"})
  void optimizerStateGoesThroughTheFactorsAsGradientsDo(int out, int in) {
    try (HostPool pool = new HostPool(2)) {
      optimizerStateGoesThroughTheFactorsAsGradientsDo(pool, out, in);
    }
  }

  private static void optimizerStateGoesThroughTheFactorsAsGradientsDo(
      HostLoop loop, int out, int in) {
    int rank = 3;
    float[] u = Matrices.normal(2 * out * rank, 1, 1);
    float[] v = Matrices.normal(2 * rank * in, 1, 2);
    float[] g = Matrices.normal(2 * out * in, 1, 3);
    FactorCarry carry = new FactorCarry(loop, 2, out, in, rank, u, v, Cuttlefish.Momentum.PROJECT);
    List<float[]> moments = carry.carry(g, Values.MOMENT);
    float[] positive = new float[g.length];
    for (int i = 0; i < g.length; i++) {
      positive[i] = g[i] * g[i];
    }
    List<float[]> squares = carry.carry(positive, Values.SQUARED_MOMENT);
    for (int e = 0; e < 2; e++) {
      for (int i = 0; i < out; i++) {
        for (int k = 0; k < rank; k++) {
          double du = 0;
          double squared = 0;
          for (int j = 0; j < in; j++) {
            double vk = v[(e * rank + k) * in + j];
            du += g[(e * out + i) * in + j] * vk;
            squared += positive[(e * out + i) * in + j] * vk * vk;
          }
          assertEquals(du, moments.get(1)[(e * out + i) * rank + k], 1e-5);
          assertEquals(squared, squares.get(1)[(e * out + i) * rank + k], 1e-4);
        }
      }
      for (int k = 0; k < rank; k++) {
        for (int j = 0; j < in; j++) {
          double dv = 0;
          for (int i = 0; i < out; i++) {
            dv += u[(e * out + i) * rank + k] * g[(e * out + i) * in + j];
          }
          assertEquals(dv, moments.get(0)[(e * rank + k) * in + j], 1e-5);
        }
      }
    }
    FactorCarry reset = new FactorCarry(loop, 2, out, in, rank, u, v, Cuttlefish.Momentum.RESET);
    assertArrayEquals(new float[u.length], reset.carry(g, Values.MOMENT).get(1));
    assertArrayEquals(v, reset.carry(g, Values.WEIGHTS).get(0));
  }

  /** Square: rank 32 of 64 saves nothing. */
  @Test
  void ranksThatSaveNoParametersAreRefusedUnlessTheyWereSet() {
    try (Backend backend = new CpuBackend(1)) {
      FactorizableLinearWeight square =
          new FactorizableLinearWeight(backend, new LinearSpec("w", 64, 64, 0.1));
      FactorGate gate = new FactorGate(settings("cuttlefish.min-speed-up=0"), null);
      assertTrue(gate.passes(square, 31));
      assertFalse(gate.passes(square, 32));
      assertTrue(new FactorGate(settings("cuttlefish.rule=fixed"), null).passes(square, 64));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "auto, 1.04, 16, false",
    "auto, 1.06, 16, true",
    "paper, 1.4, 24, false",
    "paper, 1.6, 24, true"
  })
  void layersThatGainTooLittleAreRefusedAndTimedOnce(
      String rule, double speedUp, int timedRank, boolean passes) {
    List<String> log = new ArrayList<>();
    try (Backend backend = new CpuBackend(1);
        Workspace workspace = new Workspace(backend)) {
      FactorizableGroupedWeight experts =
          new FactorizableGroupedWeight(backend, new LinearSpec("e", 128, 96, 0.1), 4);
      experts.reserve(workspace, 20);
      LayerTimer timer =
          (layer, rank) -> {
            assertEquals(new LayerTimer.Layer(4, true, 96, 128, 20, null, false), layer);
            assertEquals(timedRank, rank);
            return new PairedTimer.Times((long) (speedUp * 1e6), 1_000_000);
          };
      FactorGate gate = new FactorGate(settings("cuttlefish.rule=" + rule), timer, log::add);
      assertEquals(passes, gate.passes(experts, 16));
      assertEquals(passes, gate.passes(experts, 16));
      assertEquals(1, log.size());
      assertTrue(log.get(0).startsWith("layers like e, 20 rows of 128 at a time: "), log.get(0));
      assertFalse(gate.passes(experts, 60), "more parameters than the whole");
    }
  }

  /** 1.2 times as fast up to rank 40, 0.9 above: what lies below or above is known. */
  @Test
  void timedRanksTellOfLowerAndHigherOnes() {
    List<Integer> timed = new ArrayList<>();
    try (Backend backend = new CpuBackend(1);
        Workspace workspace = new Workspace(backend)) {
      FactorizableLinearWeight weight =
          new FactorizableLinearWeight(backend, new LinearSpec("w", 256, 256, 0.1));
      weight.reserve(workspace, 20);
      LayerTimer timer =
          (layer, rank) -> {
            timed.add(rank);
            return new PairedTimer.Times(rank <= 40 ? 1_200_000 : 900_000, 1_000_000);
          };
      FactorGate gate = new FactorGate(settings(), timer, line -> {});
      int[] ranks = {32, 8, 48, 96, 40, 24, 44, 41};
      boolean[] passes = {true, true, false, false, true, true, false, false};
      for (int i = 0; i < ranks.length; i++) {
        assertEquals(passes[i], gate.passes(weight, ranks[i]), "rank " + ranks[i]);
      }
      assertEquals(List.of(32, 48, 40, 44, 41), timed);
    }
  }

  /** The gate asks for the passes that the layer makes: those of its windows over the batch. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void convolutionsAreTimedAsSuch(boolean normalizes) {
    ConvShape window = new ConvShape(1, 6, 6, 8, 3, 2, 1);
    List<LayerTimer.Layer> timed = new ArrayList<>();
    try (Backend backend = new CpuBackend(1);
        Workspace workspace = new Workspace(backend)) {
      FactorizableLinearWeight weight =
          new FactorizableLinearWeight(
              backend, new LinearSpec("w", window.patch(), 64, 0.1), normalizes);
      new Convolution(backend, "w", weight, window).reserve(workspace, 4);
      LayerTimer timer =
          (layer, rank) -> {
            timed.add(layer);
            return new PairedTimer.Times(2, 1);
          };
      assertTrue(new FactorGate(settings(), timer, line -> {}).passes(weight, 8));
      ConvShape batch = window.withImages(4);
      assertEquals(
          List.of(new LayerTimer.Layer(1, false, 64, 72, batch.outRows(), batch, normalizes)),
          timed);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void realTimesAreMeasuredAndMemoryIsGivenBack(boolean gpu) {
    try (Backend backend = gpu ? TestGpu.open() : new CpuBackend(1)) {
      long before = backend.allocatedBytes();
      TimedFactors timer = new TimedFactors(backend, true);
      for (boolean stacked : new boolean[] {false, true}) {
        PairedTimer.Times times =
            timer.time(new LayerTimer.Layer(stacked ? 3 : 1, stacked, 32, 16, 24, null, false), 8);
        assertTrue(times.firstNanos() > 0 && times.secondNanos() > 0, times.toString());
      }
      ConvShape window = new ConvShape(4, 6, 6, 8, 3, 2, 1);
      for (boolean normalizes : new boolean[] {false, true}) {
        LayerTimer.Layer layer =
            new LayerTimer.Layer(1, false, 16, 72, window.outRows(), window, normalizes);
        PairedTimer.Times times = timer.time(layer, 8);
        assertTrue(times.firstNanos() > 0 && times.secondNanos() > 0, times.toString());
      }
      assertEquals(before, backend.allocatedBytes());
    }
  }

  /** SGD finds the decay in the gradient that it will scale, AdamW in the weights. */
  @ParameterizedTest
  @ValueSource(strings = {"sgd", "adamw"})
  void theOptimizersDecayIsOfTheProduct(String optimizer) {
    String[] run = {
      "method.name=cuttlefish",
      "cuttlefish.rule=fixed",
      "cuttlefish.ratio=0.5",
      "optimizer.name=" + optimizer,
      "optimizer.weight-decay=0.2"
    };
    try (Backend backend = new CpuBackend(1);
        Workspace workspace = new Workspace(backend);
        Collective alone = new LocalCollective()) {
      CuttlefishMethod method =
          new CuttlefishMethod(backend, ConfigParser.parse("", "test", List.of(run)));
      LinearWeight weight = method.linearWeight(new LinearSpec("w", 6, 4, 0.3));
      weight.reserve(workspace, 2);
      method.foresee();
      List<Parameter> parameters = new ArrayList<>();
      weight.parameters(parameters::add);
      ParameterArena arena = new ParameterArena(backend, parameters);
      assertFalse(arena.weights().segments().decays(0), "decay of the factors' own norms");
      arena.initialize(7);
      float[] v = downloaded(backend, parameters.get(0).value());
      float[] u = downloaded(backend, parameters.get(1).value());
      method.beforeUpdate(FrobeniusDecay.EVERY - 1, 0.5, 0.25);
      assertArrayEquals(u, downloaded(backend, parameters.get(1).value()), "not yet");
      double decay = 0.2 * FrobeniusDecay.EVERY;
      method.beforeUpdate(FrobeniusDecay.EVERY, 0.5, 0.25);
      float[] product = Matrices.product(u, v, 4, 2, 6);
      float[] got =
          optimizer.equals("sgd")
              ? downloaded(backend, parameters.get(1).gradient())
              : downloaded(backend, parameters.get(1).value());
      for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 2; k++) {
          double derivative = 0;
          for (int j = 0; j < 6; j++) {
            derivative += product[i * 6 + j] * v[k * 6 + j];
          }
          double expected =
              optimizer.equals("sgd")
                  ? decay / 0.25 * derivative
                  : u[i * 2 + k] - 0.5 * decay * derivative;
          assertEquals(expected, got[i * 2 + k], 1e-5);
        }
      }
    }
  }

  private static float[] downloaded(Backend backend, Tensor tensor) {
    float[] values = new float[(int) tensor.size()];
    backend.downloadSync(tensor, values, 0);
    return values;
  }

  @Test
  void aSavedFormIsTaken() {
    try (Backend backend = new CpuBackend(1)) {
      FactorizableLinearWeight weight =
          new FactorizableLinearWeight(backend, new LinearSpec("w", 64, 32, 0.1));
      weight.fit(Map.of("w.weight.u", Shape.of(32, 5)));
      assertEquals(5, weight.rank());
      weight.fit(Map.of("w.weight", Shape.of(32, 64)));
      assertFalse(weight.isLowRank());
    }
  }
}
