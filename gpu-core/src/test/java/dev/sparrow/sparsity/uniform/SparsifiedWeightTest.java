package dev.sparrow.sparsity.uniform;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.HostLoop;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.config.OptimizerSettings;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.optim.GradientClipping;
import dev.sparrow.optim.Optimizer;
import dev.sparrow.sparsity.ModelChange;
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

  /**
   * Sums in another order differ by about 1e-7 of their size. Adam divides by that size, so that a
   * weight may move by as much of a step of 0.01; where gradients nearly cancel it is more. 1e-4 is
   * a hundredth of one step, after a hundred of them.
   */
  @Test
  void theMaskedFormTrainsLikeTheSparseOne() {
    try (Backend backend = new CpuBackend(1)) {
      UniformPattern pattern =
          new PatternChoice(FORMAT, HostLoop.INLINE).byMagnitude(normal(OUT * IN), FAN_IN);
      SparsifiedLinearWeight sparse = new SparsifiedLinearWeight(backend, SPEC, FORMAT);
      sparse.begin(pattern, true);
      SparsifiedLinearWeight masked = new SparsifiedLinearWeight(backend, SPEC, FORMAT);
      masked.begin(pattern, false);
      try (ParameterArena sparseArena = new ParameterArena(backend, parameters(sparse));
          ParameterArena maskedArena = new ParameterArena(backend, parameters(masked));
          Optimizer sparseOptimizer = Optimizer.of(ADAMW, backend, sparseArena);
          Optimizer maskedOptimizer = Optimizer.of(ADAMW, backend, maskedArena)) {
        sparseArena.initialize(3);
        maskedArena.initialize(3);
        assertArrayEquals(sparse.valuesSync(), masked.valuesSync());
        assertArrayEquals(sparse.matrixSync(), masked.matrixSync());
        for (int step = 1; step <= 100; step++) {
          float[] x = normal(ROWS * IN);
          float[] dy = normal(ROWS * OUT);
          float[] y = step(backend, sparse, sparseArena, x, dy);
          assertArrayEquals(y, step(backend, masked, maskedArena, x, dy), 1e-4f, "step " + step);
          sparseOptimizer.step(step, 0.01, clipped(backend, sparseArena));
          maskedOptimizer.step(step, 0.01, clipped(backend, maskedArena));
        }
        assertArrayEquals(sparse.valuesSync(), masked.valuesSync(), 1e-4f);
        requireZeroOffPattern(pattern, masked.matrixSync());
        for (Optimizer.State state : maskedOptimizer.state()) {
          requireZeroOffPattern(pattern, download(backend, state.values()));
        }
      }
    }
  }

  /** Gradients here have norms near 10. */
  private static double clipped(Backend backend, ParameterArena arena) {
    double norm = Math.sqrt(backend.elementwise().squaredNormSync(arena.gradients()));
    assertTrue(norm > 1, "norm " + norm);
    return new GradientClipping(1).scale(norm);
  }

  private static void requireZeroOffPattern(UniformPattern pattern, float[] matrix) {
    boolean[] held = new boolean[OUT * IN];
    for (int place : pattern.places()) {
      held[place] = true;
    }
    for (int i = 0; i < held.length; i++) {
      assertEquals(held[i], matrix[i] != 0, "element " + i + " is " + matrix[i]);
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

  @Test
  void changesCarryWhatStaysAndBringZeros() {
    try (Backend backend = new CpuBackend(1)) {
      PatternFormat format = new PatternFormat("layer", 2, 4, 1, 4, false);
      SparsifiedWeight weight =
          new SparsifiedLinearWeight(backend, new LinearSpec("layer", 4, 2, 1), format);
      Replacement pruned =
          weight.change(format.pattern(2, new int[] {0, 1}, new int[] {1, 3, 0, 2}), true);
      assertEquals("layer.weight", pruned.before().name());
      assertEquals("layer.weight.values[2, 2]", pruned.after().get(0).toString());
      assertArrayEquals(
          new float[] {2, 4, 5, 7},
          pruned
              .carry()
              .carry(new float[] {1, 2, 3, 4, 5, 6, 7, 8}, ModelChange.Values.WEIGHTS)
              .get(0));
      Replacement regrown =
          weight.change(format.pattern(2, new int[] {0, 1}, new int[] {0, 3, 1, 2}), true);
      assertTrue(regrown.keepsShape());
      assertArrayEquals(
          new float[] {0, 4, 0, 7},
          regrown.carry().carry(new float[] {2, 4, 5, 7}, ModelChange.Values.MOMENT).get(0));
      Replacement ablated =
          weight.change(format.pattern(4, new int[] {1}, new int[] {0, 1, 2, 3}), true);
      assertTrue(!ablated.keepsShape());
      assertArrayEquals(
          new float[] {0, 10, 11, 0},
          ablated.carry().carry(new float[] {8, 9, 10, 11}, ModelChange.Values.WEIGHTS).get(0));
    }
  }

  /** Dense to masked, to another pattern, to sparse and back: what stays keeps its numbers. */
  @Test
  void changesOfTheFormCarryWhatStays() {
    try (Backend backend = new CpuBackend(1)) {
      PatternFormat format = new PatternFormat("layer", 2, 4, 1, 4, false);
      SparsifiedWeight weight =
          new SparsifiedLinearWeight(backend, new LinearSpec("layer", 4, 2, 1), format);
      UniformPattern first = format.pattern(2, new int[] {0, 1}, new int[] {1, 3, 0, 2});
      UniformPattern second = format.pattern(2, new int[] {0, 1}, new int[] {0, 3, 1, 2});
      Replacement masked = weight.change(first, false);
      assertTrue(masked.keepsShape());
      assertArrayEquals(
          new float[] {0, 2, 0, 4, 5, 0, 7, 0},
          masked(backend, masked, new float[] {1, 2, 3, 4, 5, 6, 7, 8}));
      assertEquals(List.of("layer.weight.columns", "layer.weight.groups"), buffers(weight));
      Replacement regrown = weight.change(second, false);
      assertTrue(regrown.keepsShape());
      assertArrayEquals(
          new float[] {0, 0, 0, 4, 0, 0, 7, 0},
          masked(backend, regrown, new float[] {0, 2, 0, 4, 5, 0, 7, 0}));
      Replacement sparse = weight.change(second, true);
      assertEquals("layer.weight.values[2, 2]", sparse.after().get(0).toString());
      assertArrayEquals(
          new float[] {0, 4, 0, 7}, carried(sparse, new float[] {0, 0, 0, 4, 0, 0, 7, 0}));
      Replacement back = weight.change(first, false);
      assertEquals("layer.weight[2, 4]", back.after().get(0).toString());
      assertArrayEquals(
          new float[] {0, 0, 0, 4, 0, 0, 7, 0}, carried(back, new float[] {3, 4, 6, 7}));
    }
  }

  /** What stays in place is only masked, weights and optimizer state alike. */
  private static float[] masked(Backend backend, Replacement replacement, float[] values) {
    Tensor numbers = upload(backend, values, values.length);
    replacement.inPlace().accept(numbers);
    return download(backend, numbers);
  }

  private static float[] carried(Replacement replacement, float[] values) {
    return replacement.carry().carry(values, ModelChange.Values.WEIGHTS).get(0);
  }

  private static List<String> buffers(SparsifiedWeight weight) {
    List<String> names = new ArrayList<>();
    weight.buffers(buffer -> names.add(buffer.name()));
    return names;
  }

  /** Each weight has a bit; rows hold unequally many. */
  @Test
  void anUnstructuredPatternIsSavedAsBits() {
    try (Backend backend = new CpuBackend(1)) {
      LinearSpec spec = new LinearSpec("layer", 7, 5, 1);
      PatternFormat format = new PatternFormat("layer", 1, 35, 1, 35, false);
      SparsifiedWeight weight = new SparsifiedLinearWeight(backend, spec, format);
      weight.begin(format.pattern(4, new int[] {0}, new int[] {0, 1, 31, 34}), false);
      assertEquals("unstructured, 4 of 35, multiplied whole", weight.kind());
      List<Buffer> buffers = new ArrayList<>();
      weight.buffers(buffers::add);
      assertEquals("layer.weight.mask", buffers.get(0).name());
      int[] words = new int[2];
      backend.downloadSync(buffers.get(0).value(), words, 0);
      assertArrayEquals(new int[] {1 << 31 | 3, 4}, words);
      backend.upload(new int[] {1 << 5, 2}, 0, buffers.get(0).value());
      weight.loaded();
      assertArrayEquals(new int[] {5, 33}, weight.pattern().places());
      backend.upload(new int[] {1, 8}, 0, buffers.get(0).value());
      String message = assertThrows(IllegalArgumentException.class, weight::loaded).getMessage();
      assertTrue(message.startsWith("layer.weight: saved pattern: expected"), message);
    }
  }
}
