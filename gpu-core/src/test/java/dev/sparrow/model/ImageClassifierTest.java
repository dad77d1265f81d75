package dev.sparrow.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.FiniteDifferences;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.backend.TensorAssert;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.config.ModelShape;
import dev.sparrow.config.Moe;
import dev.sparrow.data.ImageBatch;
import dev.sparrow.data.ImageShape;
import dev.sparrow.model.SmallClassifier.Kind;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.DenseMethod;
import dev.sparrow.sparsity.Method;
import dev.sparrow.sparsity.moe.MoeMethod;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ImageClassifierTest {
  @ParameterizedTest
  @EnumSource(Kind.class)
  void gradientsEqualCentralDifferences(Kind kind) {
    for (double dropout : new double[] {0, 0.2}) {
      try (SmallClassifier small = new SmallClassifier(new ReferenceBackend(), kind, dropout, 4)) {
        ImageBatch batch = SmallClassifier.batch(3, 40); // fewer samples than reserved
        Pass pass = small.pass(batch, batch.samples());
        small.model.forwardBackward(batch, pass, parameter -> {});
        FiniteDifferences differences =
            new FiniteDifferences(
                () -> {
                  small.model.forward(batch, pass);
                  return pass.lossScale() * small.model.lossSumSync();
                });
        small
            .model
            .parameters()
            .forEach(p -> differences.gradient(p.name(), p.value(), p.gradient()));
        differences.samples(24, 3).check();
      }
    }
  }

  /** fp32 against double: some tens of operations of 6e-8 each, sums of up to 48 terms. */
  @ParameterizedTest
  @EnumSource(Kind.class)
  void cpuEqualsTheDoubleOracle(Kind kind) {
    try (SmallClassifier cpu = new SmallClassifier(new CpuBackend(2), kind, 0.1, 6);
        SmallClassifier oracle = new SmallClassifier(new ReferenceBackend(), kind, 0.1, 6)) {
      ImageBatch batch = SmallClassifier.batch(6, 8);
      TensorAssert close = new TensorAssert(kind + ", seed 5", 1e-5, 1e-5);
      close.check("loss", new double[] {oracle.step(batch)}, new double[] {cpu.step(batch)});
      close.check("gradients", gradients(oracle), gradients(cpu));
      close.check(
          "validation", new double[] {oracle.evaluate(batch)}, new double[] {cpu.evaluate(batch)});
    }
  }

  private static double[] gradients(SmallClassifier small) {
    return Values.of(small.backend, small.arena.gradients());
  }

  /**
   * What the last router's losses add to the gradient of its matrix is the derivative of their mean
   * over all patches and routers. Every expert is chosen, so that no step changes a choice; figures
   * are floats: a step of 0.01 leaves four digits.
   */
  @Test
  void routersLossesAreMeansOverPatches() {
    ImageBatch batch = SmallClassifier.batch(3, 40);
    double[] without = routerGradient(batch, 0, 0);
    double[] with = routerGradient(batch, 0.5, 0.1);
    try (SmallClassifier small = balanced(0.5, 0.1)) {
      Tensor router = parameter(small, ROUTER).value();
      for (int i = 0; i < 4; i++) {
        float value = Values.floats(small.backend, router)[i];
        double above = auxiliary(small, batch, router, i, value + 0.01f);
        double below = auxiliary(small, batch, router, i, value - 0.01f);
        set(small, router, i, value);
        double numeric = (above - below) / 0.02;
        assertEquals(numeric, with[i] - without[i], 1e-4 + 0.01 * Math.abs(numeric), "at " + i);
      }
    }
  }

  private static final String ROUTER = "blocks.1.feed_forward.router.weight";

  private static SmallClassifier balanced(double loadBalancing, double zLoss) {
    ReferenceBackend backend = new ReferenceBackend();
    ModelShape shape = Kind.MOE_VIT.shape(0);
    Moe moe = new Moe(4, 4, 6, 0, Moe.Dispatch.DROPLESS, 1.25, 0, 1, loadBalancing, zLoss, 0, 1);
    Method method = new MoeMethod(backend, moe, shape, new DenseMethod(backend));
    return new SmallClassifier(backend, shape, method, 3);
  }

  private static double[] routerGradient(ImageBatch batch, double loadBalancing, double zLoss) {
    try (SmallClassifier small = balanced(loadBalancing, zLoss)) {
      small.step(batch);
      return Values.of(small.backend, parameter(small, ROUTER).gradient());
    }
  }

  private static Parameter parameter(SmallClassifier small, String name) {
    List<Parameter> all = small.model.parameters();
    return all.stream().filter(p -> p.name().equals(name)).findFirst().orElseThrow();
  }

  private static void set(SmallClassifier small, Tensor tensor, int i, float value) {
    small.backend.upload(new float[] {value}, 0, tensor.window(i, 1));
  }

  /** The mean over the routers of their losses, with another value of one weight. */
  private static double auxiliary(
      SmallClassifier small, ImageBatch batch, Tensor tensor, int i, float value) {
    set(small, tensor, i, value);
    small.model.forward(batch, small.pass(batch, batch.samples()));
    double[] sum = {0};
    small.model.figures((name, figure) -> sum[0] += name.endsWith("_loss") ? figure / 2 : 0);
    return sum[0];
  }

  /** The formulas of a perceptron with one hidden layer, written out. */
  @Test
  void aPerceptronIsItsFormula() {
    ModelShape shape = withLayers(Kind.MLP.shape(0), List.of(7));
    try (ReferenceBackend backend = new ReferenceBackend()) {
      ImageShape image = new ImageShape(2, 2, 1);
      ImageClassifier model =
          new ImageClassifier(backend, shape, image, 3, new DenseMethod(backend));
      ParameterArena arena = new ParameterArena(backend, model.parameters());
      arena.initialize(3);
      model.reserve(new Workspace(backend), 1);
      Map<String, double[]> weights = new TreeMap<>();
      model.parameters().forEach(p -> weights.put(p.name(), backend.download(p.value())));
      ImageBatch batch = new ImageBatch(1, image);
      float[] x = {0.5f, -1, 2, 0.25f};
      System.arraycopy(x, 0, batch.pixels(), 0, 4);
      batch.labels()[0] = 2;
      batch.filled(1, 0);
      double[] z = new double[3];
      for (int j = 0; j < 7; j++) {
        double h = weights.get("layers.0.bias")[j];
        for (int i = 0; i < 4; i++) {
          h += weights.get("layers.0.weight")[j * 4 + i] * x[i];
        }
        double y = Math.max(0, h);
        for (int k = 0; k < 3; k++) {
          z[k] += weights.get("head.weight")[k * 7 + j] * y;
        }
      }
      double sum = Math.exp(z[0]) + Math.exp(z[1]) + Math.exp(z[2]); // head.bias starts at 0
      model.forward(batch, Pass.inference(1, 1));
      assertEquals(Math.log(sum) - z[2], model.lossSumSync(), 1e-12);
    }
  }

  private static ModelShape withLayers(ModelShape s, List<Integer> layers) {
    return new ModelShape(
        s.kind(),
        s.layers(),
        s.heads(),
        s.width(),
        s.hidden(),
        s.context(),
        s.positions(),
        s.rotaryTheta(),
        s.norm(),
        s.normEpsilon(),
        Activation.RELU,
        s.gated(),
        s.bias(),
        s.tiedHead(),
        s.dropout(),
        s.initialDeviation(),
        layers,
        s.patch(),
        s.depth());
  }

  @Test
  void patchesAreCutRowByRow() {
    PatchGrid grid = PatchGrid.of(new ImageShape(4, 6, 2), 2);
    assertEquals(6, grid.count());
    assertEquals(8, grid.columns());
    float[] pixels = new float[3 + 48];
    for (int i = 0; i < 48; i++) {
      pixels[3 + i] = i;
    }
    float[] patches = new float[48];
    grid.cut(pixels, 3, patches, 0);
    for (int i = 0; i < 48; i++) {
      int patch = i / 8;
      int y = patch / 3 * 2 + i % 8 / 4;
      int x = patch % 3 * 2 + i % 4 / 2;
      assertEquals((y * 6 + x) * 2 + i % 2, patches[i]);
    }
    Exception wrong =
        assertThrows(IllegalArgumentException.class, () -> PatchGrid.of(grid.image(), 4));
    assertTrue(wrong.getMessage().contains("height 4 and width 6, got 4"), wrong.getMessage());
  }

  /** What no patch's place tells, positions tell: without them attention sees a set. */
  @Test
  void patchesThatChangePlacesChangeTheLoss() {
    try (SmallClassifier small = new SmallClassifier(new ReferenceBackend(), Kind.VIT, 0, 1)) {
      ImageBatch batch = SmallClassifier.batch(1, 3);
      double before = small.evaluate(batch);
      float[] pixels = batch.pixels().clone();
      for (int y = 0; y < 2; y++) { // the first two patches of the upper row
        System.arraycopy(pixels, y * 12, batch.pixels(), y * 12 + 4, 4);
        System.arraycopy(pixels, y * 12 + 4, batch.pixels(), y * 12, 4);
      }
      double swapped = small.evaluate(batch);
      assertTrue(Math.abs(before - swapped) > 1e-6, "expected positions to matter");
      for (Parameter p : small.model.parameters()) {
        if (p.name().equals("positions.weight")) {
          small.backend.elementwise().fill(p.value(), 0);
        }
      }
      double there = small.evaluate(batch);
      System.arraycopy(pixels, 0, batch.pixels(), 0, pixels.length);
      assertEquals(there, small.evaluate(batch), 1e-12);
    }
  }

  /**
   * The same samples in one micro-batch of four and in two of two: the same masks. Statistics of
   * batches are not the same.
   */
  @ParameterizedTest
  @EnumSource(value = Kind.class, mode = EnumSource.Mode.MATCH_NONE, names = ".*RESNET")
  void dropoutFollowsTheSampleNotTheMicroBatch(Kind kind) {
    try (SmallClassifier whole = new SmallClassifier(new ReferenceBackend(), kind, 0.3, 4);
        SmallClassifier split = new SmallClassifier(new ReferenceBackend(), kind, 0.3, 2)) {
      double expected = lossSum(whole, SmallClassifier.batch(4, 8));
      double first = lossSum(split, SmallClassifier.batch(2, 8));
      ImageBatch second = SmallClassifier.batch(4, 8);
      System.arraycopy(second.pixels(), 2 * 48, second.pixels(), 0, 2 * 48);
      System.arraycopy(second.labels(), 2, second.labels(), 0, 2);
      second.filled(2, 10);
      assertEquals(expected, first + lossSum(split, second), 1e-12);
      new TensorAssert("dropout 0.3, seed 9", 1e-9, 1e-9)
          .check("gradients", gradients(whole), gradients(split));
    }
  }

  private static double lossSum(SmallClassifier small, ImageBatch batch) {
    small.model.forwardBackward(batch, small.pass(batch, 4), parameter -> {});
    return small.model.lossSumSync();
  }

  /** Told in reverse arena order, each once, and only when the gradient is final. */
  @ParameterizedTest
  @EnumSource(Kind.class)
  void parametersCompleteFromTheEndOfTheArena(Kind kind) {
    try (SmallClassifier small = new SmallClassifier(new CpuBackend(1), kind, 0, 3)) {
      List<Parameter> order = new ArrayList<>();
      List<float[]> then = new ArrayList<>();
      ImageBatch batch = SmallClassifier.batch(3, 8);
      small.model.forwardBackward(
          batch,
          small.pass(batch, 3),
          parameter -> {
            order.add(parameter);
            then.add(Values.floats(small.backend, parameter.gradient()));
          });
      for (int i = 0; i < order.size(); i++) {
        float[] now = Values.floats(small.backend, order.get(i).gradient());
        assertArrayEquals(then.get(i), now, order.get(i).name());
      }
      Collections.reverse(order);
      assertEquals(small.arena.parameters(), order);
    }
  }

  @Test
  void predictionsAreCountedByTrueClass() {
    try (SmallClassifier small = new SmallClassifier(new CpuBackend(1), Kind.LINEAR, 0, 4)) {
      // The logits become the first five numbers of the image.
      float[] weights = new float[SmallClassifier.CLASSES * SmallClassifier.IMAGE.size()];
      for (int j = 0; j < SmallClassifier.CLASSES; j++) {
        weights[j * SmallClassifier.IMAGE.size() + j] = 1;
      }
      small.backend.upload(weights, 0, small.model.parameters().get(0).value());
      small.backend.elementwise().fill(small.model.parameters().get(1).value(), 0);
      ImageBatch batch = SmallClassifier.batch(3, 0);
      int[] largest = {4, 1, 1};
      int[] labels = {4, 0, 1};
      for (int b = 0; b < 3; b++) {
        batch.pixels()[b * SmallClassifier.IMAGE.size() + largest[b]] = 50;
        batch.labels()[b] = labels[b];
      }
      small.evaluate(batch);
      Confusion counts = new Confusion(SmallClassifier.CLASSES);
      small.model.count(batch, counts);
      small.model.count(batch, counts);
      assertEquals(
          List.of(
              List.of(0L, 2L, 0L, 0L, 0L),
              List.of(0L, 2L, 0L, 0L, 0L),
              List.of(0L, 0L, 0L, 0L, 0L),
              List.of(0L, 0L, 0L, 0L, 0L),
              List.of(0L, 0L, 0L, 0L, 2L)),
          counts.rows());
      assertEquals(4 / 6.0, counts.accuracy());
    }
  }

  @Test
  void whatDoesNotFitIsRefusedByName() {
    try (SmallClassifier small = new SmallClassifier(new CpuBackend(1), Kind.MLP, 0, 2)) {
      ImageBatch unknown = SmallClassifier.batch(2, 70);
      unknown.labels()[1] = SmallClassifier.CLASSES;
      assertRefused("class numbers in [0, 5), got 5 for sample 71", small, unknown);
      assertRefused("at most 2 samples, got 3", small, SmallClassifier.batch(3, 0));
      ImageBatch grey = new ImageBatch(2, new ImageShape(4, 6, 1));
      grey.filled(2, 0);
      assertRefused("channels=2], got", small, grey);
      Exception kind =
          assertThrows(
              IllegalArgumentException.class,
              () -> small.model.forward(SmallModel.batch(1, 0), Pass.inference(1, 1)));
      assertTrue(kind.getMessage().contains("labelled images, got TokenBatch"), kind.getMessage());
    }
  }

  private static void assertRefused(String words, SmallClassifier small, ImageBatch batch) {
    String message =
        assertThrows(IllegalArgumentException.class, () -> small.step(batch)).getMessage();
    assertTrue(message.contains(words), message);
  }
}
