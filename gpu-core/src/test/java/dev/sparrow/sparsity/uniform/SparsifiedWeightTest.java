package dev.sparrow.sparsity.uniform;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.config.OptimizerSettings;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.optim.Optimizer;
import dev.sparrow.sparsity.ModelChange.Replacement;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SparsifiedWeightTest {
  private static final int OUT = 12;
  private static final int IN = 20;
  private static final int ROWS = 7;
  private static final int FAN_IN = 5;
  private static final LinearSpec SPEC = new LinearSpec("layer", IN, OUT, 0.5);
  private static final PatternFormat FORMAT = new PatternFormat("layer", OUT, IN, 1, IN, false);
  private static final OptimizerSettings ADAMW =
      new OptimizerSettings(
          OptimizerSettings.Kind.ADAMW, 0.01, 0.9, 0.95, 1e-8, 0.1, 0.9, false, 0);

  private final Random random = new Random(17);

  private float[] normal(int size) {
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static Tensor upload(Backend backend, float[] values, int... dims) {
    Tensor tensor = backend.allocate(dims);
    backend.upload(values, 0, tensor);
    return tensor;
  }

  private static float[] download(Backend backend, Tensor tensor) {
    float[] values = new float[(int) tensor.size()];
    backend.downloadSync(tensor, values, 0);
    return values;
  }

  private static List<Parameter> parameters(SparsifiedLinearWeight weight) {
    List<Parameter> parameters = new ArrayList<>();
    weight.parameters(parameters::add);
    return parameters;
  }

  /** A matrix of which all but the pattern's places are held at zero trains in the same way. */
  @Test
  void aMaskedDenseTwinStaysEqualFor100Steps() {
    try (Backend backend = new CpuBackend(1)) {
      UniformPattern pattern = new PatternChoice(FORMAT).byMagnitude(normal(OUT * IN), FAN_IN);
      SparsifiedLinearWeight sparse = new SparsifiedLinearWeight(backend, SPEC, FORMAT);
      sparse.begin(pattern);
      SparsifiedLinearWeight masked = new SparsifiedLinearWeight(backend, SPEC, FORMAT);
      try (ParameterArena sparseArena = new ParameterArena(backend, parameters(sparse));
          ParameterArena maskedArena = new ParameterArena(backend, parameters(masked));
          Optimizer sparseOptimizer = Optimizer.of(ADAMW, backend, sparseArena);
          Optimizer maskedOptimizer = Optimizer.of(ADAMW, backend, maskedArena)) {
        sparseArena.initialize(3);
        maskedArena.publish();
        backend.upload(
            dense(pattern, download(backend, sparse.trained().value())),
            0,
            masked.trained().value());
        for (int step = 1; step <= 100; step++) {
          float[] x = normal(ROWS * IN);
          float[] dy = normal(ROWS * OUT);
          float[] y = step(backend, sparse, sparseArena, x, dy);
          assertArrayEquals(y, step(backend, masked, maskedArena, x, dy), 1e-4f, "step " + step);
          mask(backend, pattern, masked.trained().gradient());
          sparseOptimizer.step(step, 0.01, 1);
          maskedOptimizer.step(step, 0.01, 1);
        }
        assertArrayEquals(
            download(backend, masked.trained().value()),
            dense(pattern, download(backend, sparse.trained().value())),
            1e-4f);
      }
    }
  }

  private static float[] step(
      Backend backend, SparsifiedLinearWeight weight, ParameterArena arena, float[] x, float[] dy) {
    Tensor xs = upload(backend, x, ROWS, IN);
    Tensor dys = upload(backend, dy, ROWS, OUT);
    Tensor ys = backend.allocate(ROWS, OUT);
    Tensor dxs = backend.allocate(ROWS, IN);
    arena.zeroGradients();
    weight.forward(xs, null, null, ys);
    weight.backward(xs, dys, null, false, dxs);
    float[] both = new float[ROWS * (OUT + IN)];
    backend.downloadSync(ys, both, 0);
    backend.downloadSync(dxs, both, ROWS * OUT);
    return both;
  }

  private static float[] dense(UniformPattern pattern, float[] values) {
    float[] matrix = new float[pattern.rows() * pattern.columns()];
    for (int live = 0, at = 0; live < pattern.liveRows(); live++) {
      for (int i = 0; i < pattern.fanIn(); i++, at++) {
        int column = pattern.indices()[pattern.start(live) + i];
        matrix[pattern.row(live) * pattern.columns() + column] = values[at];
      }
    }
    return matrix;
  }

  private static void mask(Backend backend, UniformPattern pattern, Tensor gradient) {
    float[] ones = new float[(int) pattern.nonZeros()];
    java.util.Arrays.fill(ones, 1);
    float[] mask = dense(pattern, ones);
    float[] values = download(backend, gradient);
    for (int i = 0; i < values.length; i++) {
      values[i] *= mask[i];
    }
    backend.upload(values, 0, gradient);
  }

  @Test
  void changesCarryWhatStaysAndBringZeros() {
    try (Backend backend = new CpuBackend(1)) {
      PatternFormat format = new PatternFormat("layer", 2, 4, 1, 4, false);
      SparsifiedWeight weight =
          new SparsifiedLinearWeight(backend, new LinearSpec("layer", 4, 2, 1), format);
      Replacement pruned =
          weight.change(format.pattern(2, new int[] {0, 1}, new int[] {1, 3, 0, 2}));
      assertEquals("layer.weight", pruned.before().name());
      assertEquals("layer.weight.values[2, 2]", pruned.after().get(0).toString());
      assertArrayEquals(
          new float[] {2, 4, 5, 7},
          pruned.carry().carry(new float[] {1, 2, 3, 4, 5, 6, 7, 8}, false).get(0));
      Replacement regrown =
          weight.change(format.pattern(2, new int[] {0, 1}, new int[] {0, 3, 1, 2}));
      assertTrue(regrown.keepsShape());
      assertArrayEquals(
          new float[] {0, 4, 0, 7}, regrown.carry().carry(new float[] {2, 4, 5, 7}, true).get(0));
      Replacement ablated = weight.change(format.pattern(4, new int[] {1}, new int[] {0, 1, 2, 3}));
      assertTrue(!ablated.keepsShape());
      assertArrayEquals(
          new float[] {0, 10, 11, 0},
          ablated.carry().carry(new float[] {8, 9, 10, 11}, false).get(0));
    }
  }
}
